//! `report`: results that were kept.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ClapArgs;
use program::exit::{Exit, usage};
use program::output::note;
use serde_json::json;

use super::format::Format;
use crate::reference::Reference;
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
    /// The errors of these results as TOML, so that this model, described by NAME, can be the one that
    /// those of others are divided by
    #[arg(long, value_name = "NAME", group = "format")]
    as_reference: Option<String>,
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
    } else if let Some(name) = &args.as_reference {
        let [results] = results.as_slice() else {
            return Err(usage("--as-reference is of one model's results"));
        };
        args.format.put(&toml::to_string(&Reference::of(results, name)?)?)?;
    } else if let Some(folder) = &args.tensorboard {
        tensorboard::write(&results, folder)?;
        note(format_args!("written: {}", program::names::shown(folder)));
    } else {
        args.format.print(&Report::new(&results)?, &results)?;
    }
    Ok(Exit::Done)
}
