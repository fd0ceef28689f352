//! Command line arguments, and what `--help` and `--version` print.

use std::io::{IsTerminal, stdout};
use std::process;

use clap::Parser;

use crate::exit;
use crate::output::say_all;

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
