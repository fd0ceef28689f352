//! What every program here does alike, without libtorch: how it is configured, what it shows, how
//! it writes files, and how it ends.

pub mod arguments;
pub mod config;
pub mod exit;
pub mod files;
pub mod findings;
pub mod interrupt;
pub mod machine;
pub mod names;
pub mod output;
pub mod panics;
pub mod progress;
pub mod seed;
