//! Command line arguments, and what `--help` and `--version` print.

use std::io::{IsTerminal, stdout};
use std::process;

use anyhow::Result;
use clap::{Args, CommandFactory, Parser};
use clap_complete::Shell;

use crate::exit;
use crate::output::{be_quiet, say_all};

/// The arguments of this process. Ends it if they are wrong (exit code 2), or if help was asked
/// for: that is a result like others, and an error if it cannot be written.
pub fn parse<T: Parser>() -> T {
    T::try_parse().unwrap_or_else(|error| {
        if error.use_stderr() {
            error.exit();
        }
        let text = error.render();
        let text = if stdout().is_terminal() { text.ansi().to_string() } else { text.to_string() };
        process::exit(exit::exit_code(|| say_all(text)).into())
    })
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
