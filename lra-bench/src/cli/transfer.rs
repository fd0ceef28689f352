//! `transfer`: bases, tasks and ways of adapting in one matrix.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Error, Result};
use clap::{Args as ClapArgs, Parser};
use datasets::tasks;
use program::exit::{Exit, describe, usage};
use program::output::{note, say, say_all};
use program::{files, interrupt};
use serde_json::json;
use training::adapt::Adapt;
use training::command::train_in;
use training::device::DeviceRequest;
use training::summary::Summary;
use training::trainer::Outcome;

use super::train;
use crate::base;
use crate::experiment::Experiment;
use crate::report::table::Style;
use crate::transfer::matrix::{Axes, rows};
use crate::transfer::{Cell, Forgetting, Way, chart, forgetting, outcome, render};

/// Arguments of `transfer`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Runs to adapt: folders, or names below runs/
    #[arg(value_name = "RUN", required = true)]
    bases: Vec<String>,
    /// What to adapt them to
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', required = true)]
    tasks: Vec<String>,
    /// How: ways of `train --adapt`. From scratch, with as many steps and with the base's in addition, is
    /// in every matrix
    #[arg(long, value_name = "WAY,...", default_value = "probe,lora,full")]
    adapt: Ways,
    /// Shares of the training examples
    #[arg(long, value_name = "SHARE,...", value_delimiter = ',', default_value = "1")]
    fractions: Vec<f64>,
    /// One run with each of these
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,2,3")]
    seeds: Vec<u64>,
    /// Steps of each run
    #[arg(long, value_name = "N", default_value_t = 500)]
    max_steps: u64,
    /// Where the runs are kept, and transfer.md, transfer.json and a chart for each task. What is there is
    /// not trained again
    #[arg(long, value_name = "DIR", default_value = "runs/transfer")]
    out: PathBuf,
    /// Ready-made settings of the tasks: small or paper
    #[arg(long, value_name = "NAME", default_value = "small")]
    preset: String,
    /// Change one setting of every run, or of those of one way: full:train.optimizer.lr=0.001; may be
    /// repeated
    #[arg(long = "set", value_name = "[WAY:]KEY=VALUE")]
    overrides: Vec<String>,
    /// Folder with the tasks' files
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto")]
    device: DeviceRequest,
    /// The matrix as JSON on standard output
    #[arg(long)]
    json: bool,
    /// Plain lines instead of a progress bar
    #[arg(long)]
    no_progress: bool,
}

/// Ways of adapting.
#[derive(Debug, Clone, PartialEq)]
struct Ways(Vec<Adapt>);

impl FromStr for Ways {
    type Err = Error;

    /// Of `WAY,...`; what is no way by itself belongs to the groups before it.
    fn from_str(text: &str) -> Result<Self> {
        let mut names: Vec<String> = Vec::new();
        for name in text.split(',') {
            match names.last_mut() {
                Some(groups) if groups.starts_with("groups:") && Adapt::from_str(name).is_err() => {
                    *groups += &format!(",{name}");
                }
                _ => names.push(name.to_owned()),
            }
        }
        names.iter().map(|name| name.parse()).collect::<Result<_>>().map(Self)
    }
}

/// A command line of `train`.
#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: train::Args,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    interrupt::install();
    let device = args.device.choose()?;
    for &share in &args.fractions {
        if !(share > 0.0 && share <= 1.0) {
            return Err(usage(format!(
                "--fractions has {share}: shares are above 0 and at most 1"
            )));
        }
    }
    let adapted = args.adapt.0.iter().cloned().map(Way::Adapted);
    let ways: Vec<Way> = adapted.chain([Way::Scratch, Way::EqualCompute]).collect();
    for (name, set) in args.overrides.iter().filter_map(|set| of_a_way(set)) {
        if !ways.iter().any(|way| way.is_called(name)) {
            let known: Vec<String> = ways.iter().map(Way::to_string).collect();
            return Err(usage(format!(
                "--set {name}:{set}: `{name}` is no way of this matrix, which has {}",
                known.join("; ")
            )));
        }
    }
    let mut spent = Vec::new();
    for base in &args.bases {
        spent.push((base, base::examples(base)?));
    }
    let mut batches = Vec::new();
    for name in &args.tasks {
        let overrides = overrides(args, &Way::EqualCompute);
        let preset = Experiment::preset(tasks::find(name)?, args.preset.parse()?, &overrides)?;
        batches
            .push((name, (preset.value.train.batch_size * preset.value.train.accumulate) as u64));
    }
    let axes = Axes {
        bases: &args.bases,
        tasks: &args.tasks,
        ways: &ways,
        fractions: &args.fractions,
        seeds: &args.seeds,
    };
    let of = |known: &[(&String, u64)], name: &str| {
        known.iter().find(|(known, _)| *known == name).map_or(0, |(_, number)| *number)
    };
    let cells = axes.cells(|base, task, way| match way {
        Way::EqualCompute => args.max_steps + of(&spent, base).div_ceil(of(&batches, task).max(1)),
        _ => args.max_steps,
    });
    for cell in &cells {
        cell.check(&args.out, &command(args, cell))?;
    }
    let count = cells.len();
    let mut failed = 0;
    let mut stopped = false;
    for (number, cell) in cells.iter().enumerate() {
        let folder = cell.folder(&args.out);
        let name = format!("{} of {count}: {}", number + 1, folder.display());
        let command = command(args, cell);
        cell.record(&args.out, &command)?;
        if Summary::read(&folder)?.is_some_and(|summary| summary.finished) {
            continue;
        }
        note(&name);
        let line = line(args, command)?;
        match train_in(&line, line.training(), &folder) {
            Ok(Outcome::Finished(_)) => {
                if matches!(cell.way, Way::Adapted(_)) && Forgetting::read(&folder)?.is_none() {
                    forgetting(&cell.base, &folder, device.device)?;
                }
            }
            Ok(Outcome::Interrupted { .. }) => {
                stopped = true;
                break;
            }
            Err(error) if interrupt::requested() => return Err(error),
            // The others need not suffer from one that diverges.
            Err(error) => {
                note(format_args!("error: {name}: {}", describe(&error)));
                failed += 1;
            }
        }
    }
    let earlier = Cell::recorded(&args.out)?.into_iter().filter(|cell| {
        let folder = cell.folder(&args.out);
        cells.iter().all(|asked| asked.folder(&args.out) != folder)
    });
    let earlier: Vec<Cell> = earlier.collect();
    let mut found = Vec::new();
    for cell in cells.into_iter().chain(earlier) {
        let outcome = outcome(&cell.folder(&args.out), cell.seed)?;
        found.push((cell, outcome));
    }
    let rows = rows(&found);
    files::create_folder(&args.out)?;
    let object = json!({ "rows": rows });
    let markdown = render(&rows, Style::Markdown);
    files::write(&args.out.join("transfer.md"), markdown.as_bytes())?;
    files::write(&args.out.join("transfer.json"), format!("{object:#}\n").as_bytes())?;
    for task in &args.tasks {
        if let Some(svg) = chart(&rows, task)? {
            files::write(&args.out.join(format!("{task}.svg")), svg.as_bytes())?;
        }
    }
    if args.json {
        say(object)?;
    } else {
        say_all(render(&rows, Style::Terminal))?;
    }
    if stopped {
        note("interrupted; the same command goes on");
        return Ok(Exit::Stopped);
    }
    anyhow::ensure!(
        failed == 0,
        "{failed} of {count} runs failed, for the reasons above; the same command tries them again"
    );
    Ok(Exit::Done)
}

/// The way and the setting of `WAY:KEY=VALUE`.
fn of_a_way(set: &str) -> Option<(&str, &str)> {
    let key = set.split('=').next()?;
    let (way, _) = key.rsplit_once(':')?;
    Some((way, &set[way.len() + 1..]))
}

/// The settings that are changed for the runs of `way`; its own come after those of all.
fn overrides(args: &Args, way: &Way) -> Vec<String> {
    let (own, all): (Vec<&String>, Vec<&String>) =
        args.overrides.iter().partition(|set| of_a_way(set).is_some());
    let own = own.into_iter().filter_map(|set| of_a_way(set));
    let own = own.filter(|(name, _)| way.is_called(name)).map(|(_, set)| set.to_owned());
    all.into_iter().cloned().chain(own).collect()
}

/// The words of `train` that decide what comes of a cell's run.
fn command(args: &Args, cell: &Cell) -> Vec<String> {
    let every = (cell.steps / 5).max(1);
    let mut words = vec![format!("--task={}", cell.task), format!("--preset={}", args.preset)];
    words.push(format!("--seed={}", cell.seed));
    words.push(format!("--max-steps={}", cell.steps));
    if cell.fraction < 1.0 {
        words.push(format!("--fraction={}", cell.fraction));
    }
    match &cell.way {
        Way::Adapted(adapt) => {
            words.push(format!("--init-from={}", cell.base));
            words.push(format!("--adapt={adapt}"));
        }
        Way::Scratch | Way::EqualCompute => words.push(format!("--network-of={}", cell.base)),
    }
    if let Some(data) = &args.data {
        words.push(format!("--data={}", data.display()));
    }
    // Few examples are many epochs.
    let of_steps = ["train.epochs=1000000".to_owned(), format!("train.eval_every={every}")];
    for set in of_steps.iter().chain(&overrides(args, &cell.way)) {
        words.push(format!("--set={set}"));
    }
    words
}

/// The command line of a run, wherever it is trained and watched.
fn line(args: &Args, command: Vec<String>) -> Result<train::Args> {
    let mut words = vec!["lra-bench".to_owned(), format!("--device={}", args.device)];
    if args.no_progress {
        words.push("--no-progress".to_owned());
    }
    words.extend(command);
    let line = Line::try_parse_from(words).map_err(|error| usage(error.to_string()))?;
    Ok(line.args)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_commas_of_their_own() {
        let Ways(ways) = "probe,groups:dt,C,norm,lora:2,full".parse().unwrap();
        let names: Vec<String> = ways.iter().map(Adapt::to_string).collect();
        assert_eq!(names, ["probe", "groups:dt,C,norm", "lora:2:4", "full"]);
        let wrong = "groups:dt,nothing".parse::<Ways>().unwrap_err();
        assert!(format!("{wrong:#}").contains("nothing"), "{wrong:#}");
    }
}
