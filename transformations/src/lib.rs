//! Changes of examples that a model should stand, as people would make them: to pictures, sounds,
//! texts, expressions and series, at five severities, the same wherever and whenever they are made.
//!
//! ```
//! use transformations::content::{Content, Series};
//! use transformations::{Severity, find, seed};
//!
//! let noise = find("padding")?;
//! let content = Content::Series(Series { values: vec![1.0, 2.0, 3.0], features: 1 });
//! let severity = Severity::new(3)?;
//! let random = &mut seed::random(0, noise.name(), severity, 17);
//! let changed = noise.apply(&content, &0.into(), severity, random, &[])?;
//! assert_ne!(changed.content, content);
//! # Ok::<(), anyhow::Error>(())
//! ```
//! [`content`] is what examples are to people, and how a model's input becomes that and back;
//! [`Transformation`] one change, a file each; [`ALL`] the table of them.

mod change;
pub mod content;
mod registry;
pub mod seed;
mod severity;
mod transformation;

mod any;
mod expression;
mod path;
mod picture;
mod series;
mod sound;
mod text;

pub use path::tracer::tracer;
pub use registry::{ALL, find, of_kind, register};
pub use severity::Severity;
pub use transformation::{Changed, Effect, Transformation, Unchanged};
