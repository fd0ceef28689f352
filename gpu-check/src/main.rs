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

use anyhow::Result;
use program::exit::{self, Exit};
use program::{arguments, interrupt};

use options::Options;
use report::Report;

fn main() {
    // As the programs do.
    s4_core::heap::keep_freed_pages();
    exit::main_exit(|| {
        let options: Options = arguments::parse();
        match &options.child {
            Some(name) => child::run(parts::find(name)?, &options).map(Exit::from),
            None => check(&options),
        }
    })
}

/// Runs the parts one after the other. What fails is in the report, and in the exit code.
fn check(options: &Options) -> Result<Exit> {
    let parts = options.parts()?;
    interrupt::install();
    let mut report = Report::begin(options)?;
    for part in parts {
        let outcome = child::start(part, options);
        report.add(part, &outcome)?;
        if interrupt::requested() {
            return Ok(Exit::Stopped);
        }
    }
    report.finish().map(Exit::from)
}
