//! What `docs/reliability.md` promises, by the real program.
#![cfg(unix)]

#[path = "../support/binary.rs"]
mod binary;
#[path = "../support/curves.rs"]
mod curves;
mod errors;
mod killed;
#[path = "../support/kills.rs"]
mod kills;
mod locks;
mod output;
mod processes;
mod signals;
mod training;
