//! Audio files as sequences of codes.

pub mod cli;
pub mod corpus;
pub mod inspect;
pub mod layout;
pub mod part;
pub mod quantise;
pub mod read;
pub mod split;
pub mod wav_out;
pub mod windows;
