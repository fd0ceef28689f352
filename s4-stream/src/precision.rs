//! How exactly weights are kept.

use std::fmt::{Display, Formatter};
use std::str::FromStr;

use anyhow::{Error, Result, bail};

/// The numbers that the weights of linear maps are kept in. Arithmetic, states and recurrences are
/// float32 in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// As they are trained.
    #[default]
    Float32,
    /// Rounded to integers of 16 bits, with a scale for each output of a map: half as many bytes.
    Int16,
}

impl FromStr for Precision {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "float32" => Ok(Self::Float32),
            "int16" => Ok(Self::Int16),
            _ => bail!("unknown precision {text}; use float32 or int16"),
        }
    }
}

impl Display for Precision {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Float32 => "float32",
            Self::Int16 => "int16",
        })
    }
}
