//! C in place of the C̃ that official checkpoints have.

use anyhow::Result;
use s4_config::SsmConfig;
use s4_core::ssm::parameters::SsmParameters;
use s4_core::state_dict::StateDict;

/// What the names of a layer's kernel length end with.
const LENGTH: &str = ".l_kernel";

/// The weights of a network, whose SSMs are all `config`, with C wherever they have C̃ for kernels of one
/// length: the same function, for programs that step it.
///
/// # Errors
/// If a C̃ stands for no C, or the tensors are not those of `config`.
pub fn without_c_tilde(weights: &StateDict, config: &SsmConfig) -> Result<StateDict> {
    let mut undone: StateDict =
        weights.iter().map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone())).collect();
    for (place, _) in c_tilde_lengths(weights) {
        let stored = weights.under(&place);
        for (name, tensor) in SsmParameters::without_c_tilde(config, &stored)?.iter() {
            undone.insert(format!("{place}.{name}"), tensor.shallow_clone());
        }
    }
    Ok(undone)
}

/// Where there is C̃, and the lengths that it is for.
pub fn c_tilde_lengths(weights: &StateDict) -> Vec<(String, i64)> {
    let length = |(name, tensor): (&str, &tch::Tensor)| {
        let place = name.strip_suffix(LENGTH)?;
        let length = (tensor.numel() == 1).then(|| tensor.int64_value(&[]))?;
        (length > 0).then(|| (place.to_owned(), length))
    };
    weights.iter().filter_map(length).collect()
}
