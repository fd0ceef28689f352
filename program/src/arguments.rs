//! Command line arguments, and what `--help` and `--version` print.

use std::env::args_os;
use std::error::Error as _;
use std::io::{IsTerminal, stdout};
use std::num::{IntErrorKind, ParseFloatError, ParseIntError};

use anyhow::Result;
use clap::error::{ContextKind, ErrorKind};
use clap::{Args, Command, CommandFactory, Parser};
use clap_complete::Shell;

use crate::exit;
use crate::output::{be_quiet, say_all};

/// The arguments of this process. Ends it if they are wrong (exit code 2), or if help was asked
/// for: that is a result like others, and an error if it cannot be written.
pub fn parse<T: Parser>() -> T {
    let mut command = with_negative_numbers(T::command());
    let matches = command.try_get_matches_from_mut(args_os());
    let parsed = matches.and_then(|mut matches| T::from_arg_matches_mut(&mut matches));
    parsed.unwrap_or_else(|error| {
        let error = in_words(&mut command, error);
        if error.use_stderr() {
            let _ = error.print();
            exit::end(2);
        }
        let text = error.render();
        let text = if stdout().is_terminal() { text.ansi().to_string() } else { text.to_string() };
        exit::main_exit(|| say_all(text))
    })
}

/// `--count -1` is a count out of range, not an unknown flag `-1`.
fn with_negative_numbers(command: Command) -> Command {
    command.allow_negative_numbers(true).mut_subcommands(with_negative_numbers)
}

/// What is no number says so, rather than "invalid digit found in string".
fn in_words(command: &mut Command, error: clap::Error) -> clap::Error {
    let source = error.source();
    let integer = source.and_then(|source| source.downcast_ref::<ParseIntError>());
    let expected = if integer.is_some_and(|error| *error.kind() == IntErrorKind::PosOverflow) {
        "a smaller number"
    } else if integer.is_some() {
        "a whole number from 0 on"
    } else if source.is_some_and(|source| source.is::<ParseFloatError>()) {
        "a number"
    } else {
        return error;
    };
    let context = |kind| error.get(kind).map_or_else(String::new, ToString::to_string);
    let (given, of) = (context(ContextKind::InvalidValue), context(ContextKind::InvalidArg));
    let text = format!("invalid value '{given}' for '{of}': expected {expected}");
    command.error(ErrorKind::ValueValidation, text)
}

/// Flags of every command.
#[derive(Debug, Clone, Copy, Args)]
pub struct Everywhere {
    /// Show errors, warnings and results only
    #[arg(short, long, global = true)]
    quiet: bool,
}

impl Everywhere {
    /// Does what they say.
    pub fn apply(self) {
        if self.quiet {
            be_quiet();
        }
    }
}

/// Arguments of `completions`.
#[derive(Debug, Clone, Copy, Args)]
pub struct Completions {
    /// The shell that reads it
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    /// Prints what a shell reads to complete the command line of `T`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn print<T: CommandFactory>(self) -> Result<()> {
        let mut command = T::command();
        let name = command.get_name().to_owned();
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut command, name, &mut text);
        say_all(String::from_utf8_lossy(&text))
    }
}
