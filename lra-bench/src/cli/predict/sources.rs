//! What there is to classify: the files of the command line, and those in its folders.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use audio_data::layout::kind_of;
use datasets::inputs::Inputs;
use program::exit::describe;
use program::files::{Walk, walk};
use program::output::note;

/// Stands for standard input.
pub(super) const STDIN: &str = "-";

/// Inputs from one place, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    Files(Vec<PathBuf>),
    Stdin,
}

impl Source {
    /// Number of files.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Files(files) => files.len(),
            Self::Stdin => 1,
        }
    }
}

/// The sources that `arguments` name, and how many of these have nothing, about which there is an
/// error on standard error. What else is in folders is told.
pub(super) fn find(arguments: &[PathBuf], inputs: &Inputs) -> (Vec<Source>, usize) {
    let mut sources = Vec::new();
    let mut empty = 0;
    for argument in arguments {
        let files = if argument == Path::new(STDIN) {
            sources.push(Source::Stdin);
            continue;
        } else if argument.is_dir() {
            in_folder(argument, inputs).unwrap_or_else(|error| {
                note(format_args!("skipped: {}", describe(&error)));
                empty += 1;
                Vec::new()
            })
        } else {
            vec![argument.clone()]
        };
        match sources.last_mut() {
            Some(Source::Files(others)) => others.extend(files),
            _ => sources.push(Source::Files(files)),
        }
    }
    (sources, empty)
}

fn in_folder(dir: &Path, inputs: &Inputs) -> Result<Vec<PathBuf>> {
    let Walk { mut files, mut findings, .. } = walk(dir)?;
    files.sort();
    files.retain(|path| {
        let takes = (inputs.takes)(path);
        if !takes {
            findings.leave_out(kind_of(path), path);
        }
        takes
    });
    findings.tell(false)?;
    ensure!(!files.is_empty(), "{} has no {}", dir.display(), inputs.about);
    Ok(files.into_iter().map(|path| dir.join(path)).collect())
}
