//! Checks and times everything on a GPU: whether its numbers are those of the CPU, how many
//! operations a layer takes, how long kernels, convolutions, blocks and whole training steps do, and
//! whether the programs train, resume and evaluate there.
//!
//! ```text
//! main ── one process a part (child.rs) ──> parts/*.rs ── rows, one line of JSON each
//!   └──> report.rs: tables on standard output, and DIR/gpu-check.json
//! ```
//!
//! A part that crashes or hangs takes none of the others with it, and what it said before counts.

mod child;
mod clock;
mod models;
mod options;
mod parts;
mod precision;
mod programs;
mod report;
mod row;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use program::exit;

use options::Options;
use report::Report;

fn main() -> ExitCode {
    // As the programs do.
    s4_core::heap::keep_freed_pages();
    let options = Options::parse();
    exit::main_exit(match &options.child {
        Some(name) => parts::find(name).and_then(|part| child::run(part, &options)),
        None => check(&options),
    })
}

/// Runs the parts one after the other. What fails is in the report, and in the exit code.
fn check(options: &Options) -> Result<()> {
    let parts = options.parts()?;
    let mut report = Report::begin(options)?;
    for part in parts {
        let outcome = child::start(part, options);
        report.add(part, &outcome)?;
    }
    report.finish()
}
