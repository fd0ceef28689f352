//! What examples are to people: how they are seen, heard or read.

use std::fmt;
use std::sync::Arc;

use crate::examples::images::Moments;
use crate::examples::recordings::Standardisation;
use crate::listops::grammar;

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
        /// What each colour is standardised by; none: grey bytes, as they are.
        moments: Vec<Moments>,
        /// What there is to see.
        motif: Motif,
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
    /// Expressions of ListOps.
    Expressions,
}

/// What there is to see in pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Motif {
    /// Things: what a class is of.
    #[default]
    Things,
    /// Paths of dashes, and two dots: the class says whether a path joins them.
    Paths,
}

/// The text that tokens stand for, without its end and what pads it.
pub type Spell = Arc<dyn Fn(&[i64]) -> String + Send + Sync>;

impl Medium {
    /// Grey pictures of things of so many pixels a row, row by row.
    pub fn pictures(width: usize) -> Self {
        Self::Pictures { width, order: None, moments: Vec::new(), motif: Motif::Things }
    }

    /// The text that these tokens spell, where they are of a text or an expression.
    pub fn spell(&self, tokens: &[i64]) -> Option<String> {
        match self {
            Self::Text(spell) => Some(spell(tokens)),
            Self::Expressions => Some(grammar::plain(tokens)),
            _ => None,
        }
    }
}

impl fmt::Debug for Medium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Series => "series",
            Self::Pictures { .. } => "pictures",
            Self::Sound { .. } => "sound",
            Self::Text(_) => "text",
            Self::Expressions => "expressions",
        })
    }
}
