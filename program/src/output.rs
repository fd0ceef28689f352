//! What a program writes: results to standard output, everything else to standard error.
//!
//! `println!` and `eprintln!` panic where nobody reads any more, as in `lra-bench tasks | head -1`,
//! or where the disk behind them is full; a lint keeps them out. Here a reader that left is no
//! error, results that do not fit on the disk are one message, and no run ends for want of a place
//! to talk to.

use std::cell::Cell;
use std::env;
use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};

use crate::files::cannot;

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
///
/// On a terminal, errors, warnings and what is skipped have their colours, unless `NO_COLOR` is set; they alone are
/// shown after [`be_quiet`].
pub fn note(line: impl Display) {
    if SILENT.get() {
        return;
    }
    let line = line.to_string();
    let colour = [("error:", 31), ("warning:", 33), ("skipped:", 33)]
        .into_iter()
        .find(|(word, _)| line.starts_with(word));
    if colour.is_some() || !QUIET.load(Ordering::Relaxed) {
        let text = match colour {
            Some((word, colour)) if has_colours() => {
                format!("\x1b[1;{colour}m{word}\x1b[0m{}\n", &line[word.len()..])
            }
            _ => format!("{line}\n"),
        };
        // At once, so that lines of several threads or processes do not mix.
        let _ = io::stderr().write_all(text.as_bytes());
    }
    log(line);
}

fn has_colours() -> bool {
    io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// From here on only errors and warnings go to standard error, and no progress.
pub fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// From here on this thread writes nothing to standard error, nor to the log: another one says the same.
pub fn silence_thread() {
    SILENT.set(true);
}

/// Whether one of these was asked for.
pub fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed) || SILENT.get()
}

static QUIET: AtomicBool = AtomicBool::new(false);

thread_local! {
    static SILENT: Cell<bool> = const { Cell::new(false) };
}

/// Writes a line to the log alone.
pub fn log(line: impl Display) {
    let line = format!("{line}\n");
    let mut log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    match &mut *log {
        Log::Early(lines) if lines.len() < EARLY => lines.push_str(&line),
        Log::Early(_) | Log::Off => {}
        Log::File(file) => {
            if let Err(error) = file.write_all(line.as_bytes()) {
                *log = Log::Off;
                let _ = writeln!(io::stderr(), "warning: the log is not continued: {error}");
            }
        }
    }
}

/// From here on, lines of standard error go to the file `path` as well, after those that it has; so do
/// those that were written before there was a log.
///
/// # Errors
/// If the file cannot be written.
pub fn log_to(path: &Path) -> Result<()> {
    let mut file =
        OpenOptions::new().create(true).append(true).open(path).map_err(cannot("write", path))?;
    let mut log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    if let Log::Early(lines) = &*log {
        file.write_all(lines.as_bytes()).map_err(cannot("write", path))?;
    }
    *log = Log::File(file);
    Ok(())
}

/// Where lines of standard error go besides.
enum Log {
    /// There may be a file later: the lines so far.
    Early(String),
    File(File),
    /// It could not be written.
    Off,
}

/// Most bytes that are kept for a log to come.
const EARLY: usize = 1 << 16;

static LOG: Mutex<Log> = Mutex::new(Log::Early(String::new()));
