//! What `docs/reliability.md` promises, by the real program.
#![cfg(unix)]

#[path = "../support/binary.rs"]
mod binary;
mod errors;
mod killed;
#[path = "../support/kills.rs"]
mod kills;
mod locks;
mod output;
mod signals;
mod training;
