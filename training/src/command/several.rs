//! Several runs at once: `NAME/seed-1`, `NAME/lr=1e-3`, `NAME/lr=1e-3/seed-1`, ...
//!
//! All are laid out before the first begins, so that the folder says what was asked for, and
//! `train --resume NAME` goes on wherever it stopped.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use distributed::World;
use program::config;
use program::exit::{Exit, describe, usage};
use program::interrupt;
use program::names::{pasted, shown};
use program::output::note;

use super::sweep::Axis;
use super::{Continued, NewRun, Program, continued, echo, one, sweep};
use crate::args::TrainArgs;
use crate::device::Chosen;
use crate::run_dir::{self, RunDir};
use crate::summary::Summary;
use crate::trainer::Outcome;

/// A run with its place, and whether nothing is left to do.
struct Planned<E> {
    path: PathBuf,
    experiment: E,
    is_done: bool,
}

/// Starts a run for each of the values and seeds that `args` have, in their folder or else
/// `runs/<task>/<stem>-NNN`.
pub(super) fn start<P: Program>(program: &P, args: &TrainArgs, device: &Chosen) -> Result<Exit> {
    let seeds = &args.seeds;
    if seeds.iter().collect::<BTreeSet<_>>().len() < seeds.len() {
        return Err(usage(format!("--seeds has a seed twice: {seeds:?}")));
    }
    let sweep: Vec<Axis> = args.sweep.iter().map(Axis::by_current_key::<P::Experiment>).collect();
    if !seeds.is_empty() && sweep.iter().any(|axis| axis.key == "train.seed") {
        return Err(usage("--sweep has train.seed, and --seeds as well: leave one out"));
    }
    let points = sweep::points(&sweep)?;
    let mut new = Vec::new();
    for point in &points {
        let mut args = args.clone();
        args.overrides.extend(point.overrides.iter().cloned());
        let mut run = program.new_run(&args, device.device)?;
        program.apply(&args, &mut run.experiment)?;
        new.push(run);
    }
    let NewRun { task, stem, changes, .. } = &new[0]; // there is a point at least
    echo(changes);
    let (task, stem) = (task.clone(), stem.clone());
    // Before anything is written: data that is missing leaves nothing behind.
    for run in &mut new {
        program.check(args, &mut run.experiment)?;
    }
    let folder = match &args.run_dir {
        Some(folder) => {
            ensure!(
                run_dir::runs(folder).is_empty(),
                "{} holds runs already; go on with --resume {}, or choose another",
                shown(folder),
                pasted(folder)
            );
            folder.clone()
        }
        None => run_dir::make_numbered(run_dir::root(), &task, &stem)?,
    };
    let mut runs = Vec::new();
    for (point, NewRun { mut experiment, .. }) in points.iter().zip(new) {
        let point = folder.join(&point.name);
        if seeds.is_empty() {
            runs.push(Planned { path: point, experiment, is_done: false });
            continue;
        }
        for &seed in seeds {
            P::settings(&mut experiment).seed = seed;
            let path = run_dir::seed(&point, seed);
            runs.push(Planned { path, experiment: experiment.clone(), is_done: false });
        }
    }
    for Planned { path, experiment, .. } in &runs {
        RunDir::create(path)?.write_config(&config::to_toml(experiment)?)?;
    }
    if !sweep.is_empty() {
        sweep::write(&folder, &sweep)?;
    }
    train_all(program, args, &folder, runs, device)
}

/// Goes on with the runs in `folder`. Those that are finished are left as they are, unless a
/// setting was changed.
pub(super) fn resume<P: Program>(
    program: &P,
    args: &TrainArgs,
    folder: &Path,
    device: &Chosen,
) -> Result<Exit> {
    let swept = sweep::keys(folder)?;
    let mut runs = Vec::new();
    for path in run_dir::runs(folder) {
        let Continued { before, after } = continued(program, args, &path)?;
        let config::Loaded { value: experiment, changes, keys } = after;
        if let Some(key) = keys.iter().find(|key| swept.contains(key)) {
            return Err(usage(format!(
                "{} holds one run for each value of {key}: leave it out",
                folder.display()
            )));
        }
        if runs.is_empty() {
            echo(&changes);
        }
        let is_finished = Summary::read(&path)?.is_some_and(|summary| summary.finished);
        let is_done = is_finished && experiment == before;
        runs.push(Planned { path, experiment, is_done });
    }
    train_all(program, args, folder, runs, device)
}

fn train_all<P: Program>(
    program: &P,
    args: &TrainArgs,
    folder: &Path,
    runs: Vec<Planned<P::Experiment>>,
    device: &Chosen,
) -> Result<Exit> {
    let paths: Vec<PathBuf> = runs.iter().map(|run| run.path.clone()).collect();
    let mut failed = Vec::new();
    for (number, Planned { path, experiment, is_done }) in runs.into_iter().enumerate() {
        let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
        let of = format!("{name} ({} of {}): {}", number + 1, paths.len(), path.display());
        if is_done {
            note(format_args!("{of}: finished"));
            continue;
        }
        note(of);
        let outcome = RunDir::resume(&path)
            .and_then(|dir| one(program, args, experiment, dir, device, &World::alone()))
            .with_context(|| name.clone());
        match outcome {
            Ok(Outcome::Interrupted { step, .. }) => {
                return Ok(Exit::Interrupted { step, run: folder.to_owned() });
            }
            Ok(_) => {}
            Err(error) if interrupt::requested() => return Err(error),
            // The others need not suffer from one that diverges.
            Err(error) => {
                note(format_args!("error: {}", describe(&error)));
                failed.push(name);
            }
        }
    }
    program.compare(&run_dir::runs(folder))?;
    ensure!(
        failed.is_empty(),
        "{} of {} runs failed, for the reasons above: {}; --resume {} tries them again",
        failed.len(),
        paths.len(),
        failed.join("; "),
        pasted(folder)
    );
    Ok(Exit::Done)
}
