//! Texts as tokens.

pub mod characters;
pub mod token_file;
