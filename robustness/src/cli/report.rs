//! `report`: results that were kept.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ClapArgs;
use program::exit::Exit;
use program::output::note;
use serde_json::json;

use super::format::Format;
use crate::report::{Report, tensorboard};
use crate::results::Results;

/// Arguments of `report`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Files or folders of results; several are shown side by side, compared with the first
    #[arg(value_name = "RESULT", required = true)]
    results: Vec<PathBuf>,
    #[command(flatten)]
    format: Format,
    /// One JSON object: the results, or those of several as a list
    #[arg(long, group = "format")]
    json: bool,
    /// Write event files of TensorBoard to this folder instead
    #[arg(long, value_name = "DIR", group = "format", conflicts_with = "out")]
    tensorboard: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    let results = args.results.iter().map(|path| Results::read(path));
    let results: Vec<Results> = results.collect::<Result<_>>()?;
    if args.json {
        let object = match results.as_slice() {
            [one] => serde_json::to_value(one)?,
            all => json!({ "results": all }),
        };
        args.format.put(&format!("{object}\n"))?;
    } else if let Some(folder) = &args.tensorboard {
        tensorboard::write(&results, folder)?;
        note(format_args!("written: {}", program::names::shown(folder)));
    } else {
        args.format.print(&Report::new(&results)?, &results)?;
    }
    Ok(Exit::Done)
}
