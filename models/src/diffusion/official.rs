//! Weights of the official code (`albertfgu/diffwave-sashimi`), whose S4 is that of July 2022.

use s4_core::state_dict::StateDict;

/// Where the official S4 layer keeps a tensor, and where ours does: below `d_layers.0.` and the like.
const PARTS: [(&str, &str); 2] =
    [("layer.kernel.kernel.", "layer.kernel."), ("layer.output_linear.", "output_linear.")];

/// Names of its kernel's tensors, and ours.
const KERNEL: [(&str, &str); 4] =
    [("log_dt", "inv_dt"), ("inv_w_real", "A_real"), ("w_imag", "A_imag"), ("L", "l_kernel")];

/// A state dict of the official code, or gradients of one, under our names: those of S4 change, all
/// others stay.
pub fn from_official(dict: &StateDict) -> StateDict {
    dict.iter()
        .map(|(name, tensor)| {
            let part = PARTS.iter().find_map(|(theirs, ours)| {
                let at = name.find(theirs)?;
                Some((&name[..at], *ours, &name[at + theirs.len()..]))
            });
            let Some((place, part, last)) = part else {
                return (name.to_owned(), tensor.shallow_clone());
            };
            let known = KERNEL.iter().find(|(theirs, _)| *theirs == last);
            let tensor = match last {
                "log_dt" => tensor.unsqueeze(-1),
                // A = -exp(inv_w_real) + i·w_imag there, -(exp(A_real) + i·A_imag) here.
                "w_imag" => -tensor,
                "0.weight" => tensor.squeeze_dim(-1),
                _ => tensor.shallow_clone(),
            };
            (format!("{place}{part}{}", known.map_or(last, |(_, ours)| ours)), tensor)
        })
        .collect()
}

/// Weights of ours under the official code's names: what [`from_official`] takes.
pub fn to_official(dict: &StateDict) -> StateDict {
    dict.iter()
        .map(|(name, tensor)| {
            let part = PARTS.iter().find_map(|(theirs, ours)| {
                let at = name.find(ours)?;
                Some((&name[..at], *theirs, &name[at + ours.len()..]))
            });
            let Some((place, part, last)) = part else {
                return (name.to_owned(), tensor.shallow_clone());
            };
            let known = KERNEL.iter().find(|(_, ours)| *ours == last);
            let tensor = match last {
                "inv_dt" => tensor.squeeze_dim(-1),
                "A_imag" => -tensor,
                "0.weight" => tensor.unsqueeze(-1),
                _ => tensor.shallow_clone(),
            };
            (format!("{place}{part}{}", known.map_or(last, |(theirs, _)| theirs)), tensor)
        })
        .collect()
}
