//! What tensors are called there and here.
//!
//! Names of the official version 4 are ours, but that its `train.py` numbers what encoders and decoders
//! are made of (`encoder.0.weight`). Version 3 has other names within S4, and another sign. Noise
//! networks have those of [`models::diffusion::official`].

use models::diffusion::official as diffusion;
use s4_core::state_dict::StateDict;
use tch::Tensor;

/// Names of version 3's kernel, and ours.
const KERNEL_3: [(&str, &str); 4] =
    [("log_dt", "inv_dt"), ("inv_w_real", "A_real"), ("w_imag", "A_imag"), ("L", "l_kernel")];
/// Where version 3 keeps a kernel, and where version 4 does.
const PLACE_3: (&str, &str) = (".layer.kernel.kernel.", ".layer.layer.kernel.");
/// What is numbered.
const NUMBERED: [&str; 2] = ["encoder", "decoder"];
/// What all noise networks have, and nothing else.
const NOISE: &str = "final_conv.2.conv.weight";

/// Whether weights are those of version 3, or of a noise network, whose S4 is older: Δ is exp(log_dt).
pub fn is_version_3(official: &StateDict) -> bool {
    official.names().any(|name| name.ends_with(".kernel.kernel.log_dt"))
}

/// Weights under our names.
pub fn from_official(official: &StateDict) -> StateDict {
    if official.get(NOISE).is_some() {
        return diffusion::from_official(official);
    }
    official.iter().map(|(name, tensor)| (unnumbered(name), tensor)).map(from_version_3).collect()
}

/// Weights of version 4's names, or of a noise network.
pub fn to_official(weights: &StateDict) -> StateDict {
    if weights.get(NOISE).is_some() {
        return diffusion::to_official(weights);
    }
    let numbered = |(name, tensor): (&str, &Tensor)| {
        let part = NUMBERED
            .iter()
            .find_map(|part| Some((part, name.strip_prefix(part)?.strip_prefix('.')?)));
        let name = part.map_or_else(|| name.to_owned(), |(part, rest)| format!("{part}.0.{rest}"));
        (name, tensor.shallow_clone())
    };
    weights.iter().map(numbered).collect()
}

/// Without the number of the one encoder or decoder.
fn unnumbered(name: &str) -> String {
    for part in NUMBERED {
        let rest = name.strip_prefix(part).and_then(|rest| rest.strip_prefix(".0."));
        if let Some(rest) = rest {
            return format!("{part}.{rest}");
        }
    }
    name.to_owned()
}

fn from_version_3((name, tensor): (String, &Tensor)) -> (String, Tensor) {
    if let Some((place, last)) = name.split_once(PLACE_3.0) {
        let known = KERNEL_3.iter().find(|(theirs, _)| *theirs == last);
        let tensor = match last {
            "log_dt" => tensor.unsqueeze(-1),
            // A = -exp(inv_w_real) + i·w_imag there, -(exp(A_real) + i·A_imag) here.
            "w_imag" => -tensor,
            _ => tensor.shallow_clone(),
        };
        return (format!("{place}{}{}", PLACE_3.1, known.map_or(last, |(_, ours)| ours)), tensor);
    }
    let name = match name.strip_suffix(".layer.D") {
        Some(place) if !place.ends_with(".layer") => format!("{place}.layer.layer.D"),
        _ => name,
    };
    (name, tensor.shallow_clone())
}
