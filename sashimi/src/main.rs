//! `sashimi`: train, sample and evaluate SaShiMi on raw audio.

use std::process::ExitCode;

fn main() -> ExitCode {
    s4_core::heap::keep_freed_pages();
    program::exit::main_exit(sashimi::cli::run)
}
