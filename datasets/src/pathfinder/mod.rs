//! Pathfinder and Path-X as data sets.
//!
//! Images come from the published archive ([`Release`]) or are made ([`Generated`]) by the crate
//! `pathfinder`. Either is an [`ImageSource`], as is a [`Cached`] file of generated images.
//!
//! | file | holds |
//! |---|---|
//! | [`release`], [`export`] | reading and writing the published layout |
//! | [`source`], [`cache`] | what training reads |

pub mod cache;
pub mod export;
pub mod png_image;
pub mod release;
pub mod source;

pub use cache::Cached;
pub use export::{Summary, write_release};
pub use release::Release;
pub use source::{Generated, ImageSource, Pixels};

pub use ::pathfinder::{Description, Difficulty, Generator, Spec};
