//! `agreement`: whether models are wrong about the same examples.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ClapArgs;
use program::exit::Exit;

use super::format::Format;
use crate::agreement::Agreement;
use crate::report::Report;
use crate::results::Results;

/// Arguments of `agreement`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Files or folders of the results of two or more models on one suite
    #[arg(value_name = "RESULT", required = true)]
    results: Vec<PathBuf>,
    #[command(flatten)]
    format: Format,
    /// One JSON object
    #[arg(long, group = "format")]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    let results = args.results.iter().map(|path| Results::read(path));
    let agreement = Agreement::of(&results.collect::<Result<Vec<_>>>()?)?;
    if args.json {
        args.format.put(&format!("{}\n", serde_json::to_string(&agreement)?))?;
    } else {
        args.format.print(&Report::of_agreement(&agreement), &[])?;
    }
    Ok(Exit::Done)
}
