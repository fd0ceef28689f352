//! `export`: a run's best weights under the names of the official code.

use anyhow::Result;
use official::args::ExportArgs;
use official::export::export;
use program::exit::Exit;

use crate::experiment::Experiment;

pub(super) fn run(args: &ExportArgs) -> Result<Exit> {
    export::<Experiment>(args)?;
    Ok(Exit::Done)
}
