//! What examples are to people, in their units.

mod codec;
mod expression;
mod picture;
mod series;
mod sound;

pub use codec::{Codec, Units};
pub use datasets::medium::Kind;
use derive_more::From;
pub use expression::Expression;
pub use picture::Picture;
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
