//! How exactly weights are kept.

use anyhow::{Error, anyhow};
use strum::{Display, EnumString};

/// The numbers that the weights of linear maps are kept in. Arithmetic, states and recurrences are
/// float32 in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Display, EnumString)]
#[strum(serialize_all = "lowercase", parse_err_fn = unknown, parse_err_ty = Error)]
pub enum Precision {
    /// As they are trained.
    #[default]
    Float32,
    /// Rounded to integers of 16 bits, with a scale for each output of a map: half as many bytes.
    Int16,
}

fn unknown(text: &str) -> Error {
    anyhow!("unknown precision {text}; use float32 or int16")
}
