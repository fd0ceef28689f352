//! Parameters by what they are in an S4 layer.

use anyhow::Error;
use program::exit::usage;
use strum::{Display, EnumIter, EnumString, IntoEnumIterator};

/// A kind of parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, EnumIter)]
#[strum(parse_err_fn = unknown, parse_err_ty = Error)]
pub enum Group {
    /// The step sizes Δ.
    #[strum(serialize = "dt")]
    Step,
    /// The state matrix, with its low-rank part.
    A,
    /// The input map.
    B,
    /// The output map.
    C,
    /// The direct path.
    D,
    /// Scales and shifts of normalisations.
    #[strum(serialize = "norm")]
    Norm,
    /// The states that sequences begin in (`model.learned_state`), which the base need not have.
    #[strum(serialize = "state")]
    State,
}

/// Names below which there are learned states.
pub(super) const STATES: &str = "learned_state.";

fn unknown(name: &str) -> Error {
    let names: Vec<String> = Group::iter().map(|group| group.to_string()).collect();
    usage(format!("there is no group `{name}`; groups: {}", names.join(", ")))
}

impl Group {
    /// Whether the parameter `name` is one of them.
    pub(super) fn has(self, name: &str) -> bool {
        let last = name.rsplit('.').next().unwrap_or(name);
        match self {
            Self::Step => matches!(last, "inv_dt" | "log_dt"),
            Self::A => matches!(last, "A_real" | "A_imag" | "P"),
            Self::B => last == "B",
            Self::C => last == "C",
            Self::D => last == "D",
            Self::Norm => name.split('.').any(|part| part == "norm"),
            Self::State => name.starts_with(STATES),
        }
    }
}

/// Whether the parameter `name` is a bias.
pub(super) fn is_bias(name: &str) -> bool {
    name.ends_with(".bias")
}
