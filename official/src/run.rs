//! A run out of a file.

use anyhow::{Context, Result};
use models::{c_tilde_lengths, without_c_tilde};
use program::config;
use program::output::{note, say};
use s4_config::SsmConfig;
use s4_core::params::ParamStore;
use training::imported::Imported;
use training::run::Experiment;

use crate::args::ImportArgs;
use crate::names::to_official;
use crate::source::Source;

/// Loads the weights of `source` into `params`, which are those of `experiment`, strictly, and writes the
/// run of both. `ssm` is what all its SSMs are, where it has any. Prints the run's folder.
///
/// # Errors
/// If the weights are of another network, or the run cannot be written.
pub fn write<E: Experiment>(
    args: &ImportArgs,
    source: Source,
    experiment: &E,
    seed: u64,
    params: &ParamStore,
    ssm: Option<&SsmConfig>,
) -> Result<()> {
    let Source { path, weights, step, .. } = source;
    let weights = weights.to_kind(params.kind());
    // In the names of the file.
    to_official(&weights).check_fits(&to_official(&params.state_dict())).with_context(|| {
        format!(
            "the weights of {} are not those of its settings; correct these with --set or --config",
            path.display()
        )
    })?;
    let lengths = c_tilde_lengths(&weights);
    let weights = match ssm {
        Some(ssm) if args.undo_c_tilde => without_c_tilde(&weights, ssm)?,
        _ => weights,
    };
    if let (Some((_, length)), false) = (lengths.first(), args.undo_c_tilde) {
        note(format_args!(
            "C is kept as the C̃ that the file has, in the first layer for kernels of {length}; \
             --undo-c-tilde makes C of it"
        ));
    }
    // In the order of the network.
    params.load_state_dict(&weights)?;
    let imported = Imported {
        origin: format!("imported from {}", path.display()),
        config: config::to_toml(experiment)?,
        seed,
        weights: params.state_dict(),
        step,
    };
    imported.write(&args.out)?;
    note(format_args!(
        "{} tensors, {} parameters, after {step} steps",
        params.entries().len(),
        params.num_parameters()
    ));
    say(args.out.display())?;
    Ok(())
}
