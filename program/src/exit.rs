//! How a program ends: one clear message on standard error and the exit code of the contract.

use std::fmt;
use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::{Error, Result};

use crate::interrupt;
use crate::names::pasted;
use crate::output::note;

/// Exit code of a run that was interrupted after saving (128 + SIGINT, as shells count).
pub const INTERRUPTED: u8 = 130;

/// How a program that did not fail ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Exit {
    /// All done: exit code 0.
    Done,
    /// Stopped on request with nothing to resume, or after saying how: exit code 130.
    Stopped,
    /// Training was stopped on request, after saving: exit code 130.
    Interrupted {
        /// Last completed step, which is in the checkpoint.
        step: u64,
        /// The run to resume.
        run: PathBuf,
    },
    /// Processes that this one started, or that started it, have told how it ended: this exit code.
    Told(u8),
}

impl From<()> for Exit {
    fn from((): ()) -> Self {
        Exit::Done
    }
}

/// The command line does not make sense: exit code 2.
#[derive(Debug)]
struct Usage(String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// An error of usage: [`main_exit`] ends the program with code 2 instead of 1.
pub fn usage(message: impl fmt::Display) -> Error {
    Error::new(Usage(message.to_string()))
}

/// The user asked for the end where there was nothing to save: exit code 130.
#[derive(Debug)]
struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted; the same command starts again")
    }
}

impl std::error::Error for Interrupted {}

/// The error with which work ends early because the user asked for it
/// ([`interrupt::requested`]): [`main_exit`] ends the program with code 130 instead of 1.
pub fn interrupted() -> Error {
    Error::new(Interrupted)
}

/// Runs a program and ends the process: 0 done, 1 failed, 2 wrong usage, 130 interrupted after
/// saving. Failures and interruptions are reported on standard error.
pub fn main_exit<T: Into<Exit>>(run: impl FnOnce() -> Result<T>) -> ! {
    end(exit_code(run))
}

/// Ends the process without what C++ would do then: libtorch would take its thousands of operators
/// apart, for a third of the time that a short command takes.
pub(crate) fn end(code: u8) -> ! {
    // A reader that has gone is no error, and all else was told where it was written.
    let _ = io::stdout().flush();
    // SAFETY: always sound; nothing runs after it.
    unsafe { libc::_exit(code.into()) }
}

/// [`main_exit`] for programs that end in another way.
pub fn exit_code<T: Into<Exit>>(run: impl FnOnce() -> Result<T>) -> u8 {
    interrupt::outlive_file_limit();
    match run().map(Into::into) {
        Ok(Exit::Done) => 0,
        Ok(Exit::Stopped) => INTERRUPTED,
        Ok(Exit::Told(code)) => code,
        Ok(Exit::Interrupted { step, run }) => {
            let run = pasted(&run);
            note(format_args!(
                "interrupted after step {step}; everything is saved. Continue with --resume {run}"
            ));
            INTERRUPTED
        }
        Err(error) if error.is::<Interrupted>() => {
            note(error.root_cause());
            INTERRUPTED
        }
        Err(error) => {
            note(format_args!("error: {}", describe(&error)));
            if error.is::<Usage>() { 2 } else { 1 }
        }
    }
}

/// The chain of causes on one or few lines, without C++ traces and repetitions.
///
/// It does not use anyhow's `Debug` form, which adds a Rust backtrace under `RUST_BACKTRACE=1`.
pub fn describe(error: &Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        let cause = without_trace(&cause).replacen(TCH, "libtorch: ", 1);
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// How tch begins the messages of libtorch.
const TCH: &str = "Internal torch error: ";

/// libtorch appends where its exception was raised and a stack of mangled names.
fn without_trace(message: &str) -> &str {
    ["\nException raised from", "\nframe #0"]
        .iter()
        .filter_map(|mark| message.find(mark))
        .min()
        .map_or(message, |end| &message[..end])
        .trim_end()
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn causes_are_named_from_the_outside_in_and_once() {
        let error = anyhow!("no such file").context("cannot read a.toml").context("config");
        assert_eq!(describe(&error), "config: cannot read a.toml: no such file");
        let error = anyhow!("no such file").context("cannot read a: no such file");
        assert_eq!(describe(&error), "cannot read a: no such file");
    }

    #[test]
    fn cpp_traces_are_cut() {
        let error = anyhow!("{TCH}shapes differ\nException raised from at::mm\nframe #0: mangled");
        assert_eq!(describe(&error.context("decoder")), "decoder: libtorch: shapes differ");
    }

    #[test]
    fn an_interruption_below_a_context_is_no_failure() {
        let error = interrupted().context("the data of fsdd");
        assert_eq!(exit_code(|| Err::<(), _>(error)), INTERRUPTED);
        assert_eq!(exit_code(|| Err::<(), _>(anyhow!("broken"))), 1);
    }

    #[test]
    fn usage_errors_are_told_apart_also_below_a_context() {
        assert!(usage("no such task").is::<Usage>());
        assert!(usage("no such task").context("--task").is::<Usage>());
        assert!(!anyhow!("no such task").is::<Usage>());
    }
}
