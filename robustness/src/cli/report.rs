//! `report`: results that were kept.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ClapArgs;
use program::exit::Exit;
use program::output::say_all;

use crate::report::terminal;
use crate::results::Results;

/// Arguments of `report`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Files or folders of results
    #[arg(value_name = "RESULT", required = true)]
    results: Vec<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    for path in &args.results {
        say_all(terminal::table(&Results::read(path)?))?;
    }
    Ok(Exit::Done)
}
