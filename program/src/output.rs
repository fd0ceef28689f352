//! What a program writes: results to standard output, everything else to standard error.
//!
//! `println!` and `eprintln!` panic where nobody reads any more, as in `lra-bench tasks | head -1`,
//! or where the disk behind them is full; a lint keeps them out. Here a reader that left is no
//! error, results that do not fit on the disk are one message, and no run ends for want of a place
//! to talk to.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use anyhow::{Context, Result};

/// Writes a line to standard output.
///
/// # Errors
/// If it cannot be written. A closed pipe is not an error: the reader has seen enough.
pub fn say(line: impl Display) -> Result<()> {
    say_all(format_args!("{line}\n"))
}

/// Writes `text`, which has its line breaks, to standard output.
///
/// # Errors
/// As [`say`].
pub fn say_all(text: impl Display) -> Result<()> {
    let mut out = io::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

/// Writes a line to standard error. What cannot be written is dropped.
pub fn note(line: impl Display) {
    // At once, so that lines of several threads or processes do not mix.
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}
