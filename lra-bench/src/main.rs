//! `lra-bench`: train and evaluate S4 on tasks on long sequences.

use std::process::ExitCode;

fn main() -> ExitCode {
    s4_core::heap::keep_freed_pages();
    program::exit::main_exit(lra_bench::cli::run)
}
