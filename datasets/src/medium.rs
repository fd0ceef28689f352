//! What examples are to people: how they are seen, heard or read.

use std::fmt;
use std::sync::Arc;

use crate::examples::recordings::Standardisation;

/// What the sequences of a task's examples stand for.
#[derive(Clone, Default)]
pub enum Medium {
    /// Numbers, one or several at each position.
    #[default]
    Series,
    /// Pictures.
    Pictures {
        /// Pixels a row.
        width: usize,
        /// Place in the picture, row by row, of each position; `None`: row by row.
        order: Option<Arc<Vec<usize>>>,
    },
    /// Recordings.
    Sound {
        /// Samples in a second.
        rate: u32,
        /// What they are standardised by.
        scale: Standardisation,
    },
    /// Texts: what tokens spell.
    Text(Spell),
}

/// The text that tokens stand for, without its end and what pads it.
pub type Spell = Arc<dyn Fn(&[i64]) -> String + Send + Sync>;

impl Medium {
    /// Pictures of so many pixels a row, row by row.
    pub fn pictures(width: usize) -> Self {
        Self::Pictures { width, order: None }
    }
}

impl fmt::Debug for Medium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Series => "series",
            Self::Pictures { .. } => "pictures",
            Self::Sound { .. } => "sound",
            Self::Text(_) => "text",
        })
    }
}
