//! `report`: runs side by side.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args as ClapArgs;
use program::exit::{Exit, describe, usage};
use program::files;
use program::output::{note, say, say_all};
use training::run_dir;

use crate::report::Report;
use crate::report::curves::curves;
use crate::report::run::Run;
use crate::report::table::{Style, render};

/// Arguments of `report`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Folders of runs, of several seeds or of sweeps, or their names below runs/ [default: all runs]
    #[arg(value_name = "RUN")]
    runs: Vec<String>,
    /// A Markdown table
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
    /// Also draw the metric on the validation split over the steps, a line for each run
    #[arg(long, value_name = "FILE.svg")]
    curves: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    let runs = if args.runs.is_empty() { all()? } else { named(&args.runs)? };
    if let Some(file) = &args.curves {
        files::write(file, curves(&runs)?.as_bytes())?;
    }
    let report = Report::of_runs(&runs);
    if args.json {
        say(serde_json::to_string(&report)?)?;
    } else {
        let style = if args.markdown { Style::Markdown } else { Style::Terminal };
        say_all(render(&report, style))?;
    }
    Ok(Exit::Done)
}

fn named(names: &[String]) -> Result<Vec<Run>> {
    let mut folders = Vec::new();
    for name in names {
        match run_dir::find_group(run_dir::root(), name) {
            Some(group) => folders.extend(run_dir::runs(&group)),
            None => match run_dir::list(Path::new(name)) {
                none if none.is_empty() => folders.push(run_dir::find(run_dir::root(), name)?),
                all => folders.extend(all), // of a folder of runs
            },
        }
    }
    folders.iter().map(|folder| Run::read(folder)).collect()
}

/// Everything in `runs/`. What cannot be read there is no error.
fn all() -> Result<Vec<Run>> {
    let mut runs = Vec::new();
    for folder in run_dir::list(run_dir::root()) {
        match Run::read(&folder) {
            Ok(run) => runs.push(run),
            Err(error) => {
                note(format_args!("left out: {}: {}", folder.display(), describe(&error)));
            }
        }
    }
    if runs.is_empty() {
        return Err(usage("there are no runs in runs/; name their folders, or train one first"));
    }
    Ok(runs)
}
