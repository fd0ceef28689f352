//! A file of the official code out of a run.

use std::path::Path;

use anyhow::Result;
use program::exit::usage;
use program::files;
use program::output::{note, say};
use s4_core::state_dict::StateDict;
use training::run::{Experiment, Run};

use crate::args::ExportArgs;
use crate::names::to_official;
use crate::tensors::raw;

/// What a file's name asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Safetensors,
    Torch,
}

impl Format {
    fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|suffix| suffix.to_str()) {
            Some("safetensors") => Ok(Self::Safetensors),
            Some("pt") => Ok(Self::Torch),
            _ => Err(usage(format!(
                "--out {}: its name must end in .safetensors or .pt, which says what is written",
                path.display()
            ))),
        }
    }
}

/// Writes the best weights of a run of `E`.
///
/// # Errors
/// If there is no such run, or the file cannot be written.
pub fn export<E: Experiment>(args: &ExportArgs) -> Result<()> {
    let format = Format::of(&args.out)?;
    let checkpoint = Run::<E>::open(&args.run)?.checkpoint()?;
    let step = checkpoint.meta.state.step;
    let weights = to_official(&checkpoint.whole()?);
    files::write(&args.out, &bytes(&weights, format)?)?;
    note(format_args!("{} tensors, after {step} steps", weights.len()));
    say(args.out.display())?;
    Ok(())
}

fn bytes(weights: &StateDict, format: Format) -> Result<Vec<u8>> {
    match format {
        Format::Safetensors => weights.to_safetensors(&[]),
        Format::Torch => {
            let tensors = weights.iter().map(|(name, tensor)| Ok((name, raw(tensor)?)));
            torch_file::write(tensors.collect::<Result<Vec<_>>>()?)
        }
    }
}
