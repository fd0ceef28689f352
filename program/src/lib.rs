//! What every program here does alike, without libtorch: how it is configured, what it shows, how
//! it writes files, and how it ends.
//!
//! ```
//! use program::config::{self, Config};
//! use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Settings {
//!     rate: f64,
//!     steps: u32,
//! }
//!
//! impl Config for Settings {}
//!
//! let text = "rate = 0.1\nsteps = 100";
//! let settings = config::parse::<Settings>("small.toml", text, &["steps=7".to_owned()])?.value;
//! assert_eq!((settings.rate, settings.steps), (0.1, 7));
//! let error = config::parse::<Settings>("small.toml", "rat = 0.1", &[]).err().unwrap();
//! assert!(format!("{error:#}").contains("rate"));
//! # Ok::<(), anyhow::Error>(())
//! ```
//!
//! A program's `main` is [`exit::main_exit`] around what it does: errors become one message and an
//! exit code.

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
