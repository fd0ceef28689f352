//! `train --seeds`: one experiment with several seeds, `NAME/seed-1`, `NAME/seed-2`, ...
//!
//! All runs are laid out before the first begins, so that the folder says what was asked for, and
//! `train --resume NAME` goes on wherever it stopped.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use program::config;
use program::exit::{Exit, usage};
use program::names::{pasted, shown};
use program::output::{note, say_all};
use training::args::echo;
use training::device::Chosen;
use training::run::Run;
use training::run_dir::{self, RunDir};
use training::summary::Summary;
use training::trainer::Outcome;

use super::args::Args;
use super::one::{continued, train};
use crate::experiment::Experiment;
use crate::report::Report;
use crate::report::table::{Style, render};

/// The folder of several seeds that `name` means: itself, or below `runs/`.
pub(in crate::cli) fn find(name: &str) -> Option<PathBuf> {
    let candidates = [PathBuf::from(name), run_dir::root().join(name)];
    candidates.into_iter().find(|folder| !run_dir::seeds(folder).is_empty())
}

/// Starts `experiment` with each of `seeds`, in `folder` or else `runs/<task>/<stem>-NNN`.
pub(super) fn start(
    args: &Args,
    mut experiment: Experiment,
    stem: &str,
    device: &Chosen,
) -> Result<Exit> {
    let seeds = &args.seeds;
    if seeds.iter().collect::<BTreeSet<_>>().len() < seeds.len() {
        return Err(usage(format!("--seeds has a seed twice: {seeds:?}")));
    }
    // Before anything is written: data that is missing leaves nothing behind.
    experiment.open(!args.train.no_progress)?.findings.refuse(args.train.data.strict)?;
    let folder = match &args.train.run_dir {
        Some(folder) => {
            ensure!(
                run_dir::seeds(folder).is_empty(),
                "{} holds runs already; go on with --resume {}, or choose another",
                shown(folder),
                pasted(folder)
            );
            folder.clone()
        }
        None => run_dir::make_numbered(run_dir::root(), &experiment.task, stem)?,
    };
    for &seed in seeds {
        experiment.train.seed = seed;
        let dir = RunDir::create(&run_dir::seed(&folder, seed))?;
        dir.write_config(&config::to_toml(&experiment)?)?;
    }
    resume(args, &folder, device)
}

/// Goes on with the seeds in `folder`. Those that are finished are left as they are, unless a
/// setting was changed.
pub(super) fn resume(args: &Args, folder: &Path, device: &Chosen) -> Result<Exit> {
    let runs = run_dir::seeds(folder);
    for (number, path) in runs.iter().enumerate() {
        let before: Run<Experiment> = Run::read(path)?;
        let is_finished = Summary::read(path)?.is_some_and(|summary| summary.finished);
        let (mut experiment, changes) = continued(args, path)?;
        if args.seeds.is_empty() && number == 0 {
            echo(&changes);
        }
        let seed = before.experiment.train.seed;
        if args.seeds.is_empty() && experiment.train.seed != seed {
            return Err(usage(format!(
                "{} holds one run per seed: leave --seed and train.seed out",
                folder.display()
            )));
        }
        experiment.train.seed = seed;
        let of = format!("seed {seed} ({} of {}): {}", number + 1, runs.len(), path.display());
        if is_finished && experiment == before.experiment {
            note(format_args!("{of}: finished"));
            continue;
        }
        note(of);
        let outcome = train(args, experiment, RunDir::resume(path)?, device)
            .with_context(|| format!("seed {seed} (--resume {} goes on)", pasted(folder)))?;
        if let Outcome::Interrupted { step, .. } = outcome {
            return Ok(Exit::Interrupted { step, run: folder.to_owned() });
        }
    }
    say_all(render(&Report::of(&runs)?, Style::Terminal))?;
    Ok(Exit::Done)
}
