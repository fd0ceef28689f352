//! Standard output, which belongs to results.
//!
//! `println!` panics where nobody reads it any more, as in `lra-bench tasks | head -1`, or where the
//! disk behind it is full. Here the first is no error, and the second is one message.

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
