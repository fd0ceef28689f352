//! `compare`: two results side by side.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args as ClapArgs;
use program::exit::Exit;

use super::format::Format;
use crate::compare::Comparison;
use crate::report::Report;
use crate::results::Results;

/// Arguments of `compare`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// File or folder of the results that are compared with
    #[arg(value_name = "A")]
    a: PathBuf,
    /// File or folder of the results that are compared
    #[arg(value_name = "B")]
    b: PathBuf,
    /// Exit with 1 if B is significantly worse on a slice
    #[arg(long)]
    fail_on_regression: bool,
    #[command(flatten)]
    format: Format,
    /// One JSON object
    #[arg(long, group = "format")]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    let comparison = Comparison::of(&Results::read(&args.a)?, &Results::read(&args.b)?)?;
    if args.json {
        args.format.put(&format!("{}\n", serde_json::to_string(&comparison)?))?;
    } else {
        args.format.print(&Report::of_comparison(&comparison), &[])?;
    }
    let worse: Vec<String> = comparison.regressions().map(|row| row.slice.identifier()).collect();
    if args.fail_on_regression && !worse.is_empty() {
        bail!("significantly worse on {} slices: {}", worse.len(), worse.join(", "));
    }
    Ok(Exit::Done)
}
