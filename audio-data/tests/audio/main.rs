//! From audio files to codes: the library, and the program.

mod cli;
mod corpus;
mod parity;
mod quantise;
mod reading;
