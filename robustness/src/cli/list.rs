//! `list`: what there is.

use anyhow::{Context, Result};
use clap::Args as ClapArgs;
use datasets::tasks;
use program::exit::{Exit, usage};
use program::output::say_all;
use transformations::Severity;
use transformations::content::Kind;

use crate::attack::{self, Budget};
use crate::subpopulation;
use crate::suite::Preset;

/// Arguments of `list`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Only what is for this task: a name of lra-bench, or audio
    #[arg(long, value_name = "NAME")]
    task: Option<String>,
    /// Print a ready-made suite as TOML, to be changed; needs --task
    #[arg(long, value_name = "NAME", requires = "task")]
    suite: Option<String>,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    let kinds = match &args.task {
        None => Kind::ALL.to_vec(),
        Some(task) => kinds(task)?,
    };
    if let Some(name) = &args.suite {
        let preset = Preset::ALL.into_iter().find(|preset| preset.to_string() == *name);
        let preset = preset.with_context(|| format!("no suite `{name}`: quick, standard, full"));
        let preset = preset.map_err(usage)?;
        let [kind] = kinds[..] else {
            return Err(usage(
                "what examples are is decided by the data: name a task that is about one kind",
            ));
        };
        let suite = preset.suite(kind, None);
        say_all(toml::to_string(&suite)?)?;
        return Ok(Exit::Done);
    }
    let mut text = String::new();
    for kind in kinds {
        text += &format!("{kind}\n  transformations, at severities 1 to 5\n");
        for it in transformations::of_kind(kind) {
            let (mild, strong) = (it.strength(Severity::ALL[0]), it.strength(Severity::ALL[4]));
            let strength = if mild == strong { mild } else { format!("{mild} to {strong}") };
            text +=
                &format!("    {:<22} {:<12} {}; {strength}\n", it.name(), it.effect(), it.about());
        }
        let budgets: Vec<String> = Budget::usual(kind).iter().map(ToString::to_string).collect();
        let mut attacks = attack::of_kind(kind).peekable();
        if attacks.peek().is_some() {
            text += &format!("  attacks, with budgets such as {}\n", budgets.join(", "));
        }
        for it in attacks {
            let steps = it.steps().map(|steps| format!("; {steps} steps"));
            text += &format!("    {:<22} {}{}\n", it.name(), it.about(), steps.unwrap_or_default());
        }
        text += "  scores, for subpopulations\n";
        for score in subpopulation::of_kind(kind) {
            text += &format!("    {:<22} {}\n", score.name(), score.about());
        }
        text.push('\n');
    }
    say_all(
        text + "suites: quick, standard, full, or a TOML file (list --task NAME --suite standard)\n",
    )?;
    Ok(Exit::Done)
}

/// What examples of a task are.
fn kinds(task: &str) -> Result<Vec<Kind>> {
    if task == "audio" {
        return Ok(vec![Kind::Sound]);
    }
    Ok(tasks::find(task)?.kind.map_or_else(|| Kind::ALL.to_vec(), |kind| vec![kind]))
}
