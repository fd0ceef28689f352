//! What examples are to people: how they are seen, heard or read.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use strum::Display;

use crate::examples::images::Moments;
use crate::examples::recordings::Standardisation;
use crate::examples::view::View;
use crate::listops::grammar;

/// What the sequences of a task's examples stand for.
#[derive(Clone, Default)]
pub enum Medium {
    /// Numbers, one or several at each position.
    #[default]
    Series,
    /// Pictures.
    Pictures(Pictures),
    /// Recordings.
    Sound {
        /// Samples in a second.
        rate: u32,
        /// What they are standardised by.
        scale: Standardisation,
        /// What they are to a model.
        view: View,
    },
    /// Texts: what tokens spell.
    Text(Spell),
    /// Expressions of ListOps.
    Expressions,
}

/// How positions of a sequence make a picture.
#[derive(Clone)]
pub struct Pictures {
    /// Pixels a row.
    pub width: usize,
    /// 1, grey, or 3, red, green and blue: the values of a pixel, at one position or one after the other.
    pub colours: usize,
    /// Place in the picture, row by row, of each position; `None`: row by row.
    pub order: Option<Arc<Vec<usize>>>,
    /// What each colour is standardised by; none: bytes, as they are.
    pub moments: Vec<Moments>,
    /// What there is to see.
    pub motif: Motif,
}

impl Pictures {
    /// Grey pictures of things of so many pixels a row, row by row.
    pub fn grey(width: usize) -> Self {
        Self { width, colours: 1, order: None, moments: Vec::new(), motif: Motif::Things }
    }
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
    /// The text that these tokens spell, where they are of a text or an expression.
    pub fn spell(&self, tokens: &[i64]) -> Option<String> {
        match self {
            Self::Text(spell) => Some(spell(tokens)),
            Self::Expressions => Some(grammar::plain(tokens)),
            _ => None,
        }
    }
}

impl Medium {
    /// What examples are.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Series => Kind::Series,
            Self::Pictures(Pictures { motif: Motif::Things, .. }) => Kind::Picture,
            Self::Pictures(Pictures { motif: Motif::Paths, .. }) => Kind::Path,
            Self::Sound { .. } => Kind::Sound,
            Self::Text(_) => Kind::Text,
            Self::Expressions => Kind::Expression,
        }
    }
}

/// What examples are, as far as it decides what can be done with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Pictures of things.
    #[strum(to_string = "pictures")]
    Picture,
    /// Pictures of paths, whose label says whether two dots are joined.
    #[strum(to_string = "paths")]
    Path,
    /// Recordings.
    #[strum(to_string = "sound")]
    Sound,
    /// Texts.
    #[strum(to_string = "text")]
    Text,
    /// Expressions of ListOps.
    #[strum(to_string = "expressions")]
    Expression,
    /// Numbers over time.
    #[strum(to_string = "series")]
    Series,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Picture, Self::Path, Self::Sound, Self::Text, Self::Expression, Self::Series];
}

impl fmt::Debug for Medium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Series => "series",
            Self::Pictures(_) => "pictures",
            Self::Sound { .. } => "sound",
            Self::Text(_) => "text",
            Self::Expressions => "expressions",
        })
    }
}
