//! What examples are to people, in their units.

mod codec;
mod expression;
mod picture;
mod series;
mod sound;

pub use codec::{Codec, Units};
use derive_more::{Display, From};
pub use expression::Expression;
pub use picture::Picture;
use serde::{Deserialize, Serialize};
pub use series::Series;
pub use sound::Sound;
pub(crate) use sound::power;

/// An example as people see, hear or read it.
#[derive(Debug, Clone, PartialEq, From)]
pub enum Content {
    /// A picture.
    Picture(Picture),
    /// A recording.
    Sound(Sound),
    /// A text, or one that is compared with another.
    Text(String),
    /// An expression of ListOps.
    Expression(Expression),
    /// Numbers over time.
    Series(Series),
}

/// Which content, as far as it decides what can be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Pictures of things.
    #[display("pictures")]
    Picture,
    /// Pictures of paths, whose label says whether two dots are joined.
    #[display("paths")]
    Path,
    /// Recordings.
    #[display("sound")]
    Sound,
    /// Texts.
    #[display("text")]
    Text,
    /// Expressions of ListOps.
    #[display("expressions")]
    Expression,
    /// Numbers over time.
    #[display("series")]
    Series,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Picture, Self::Path, Self::Sound, Self::Text, Self::Expression, Self::Series];
}
