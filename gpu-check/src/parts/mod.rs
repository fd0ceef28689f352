//! What is checked: one file a part, in one table.

mod block;
mod convolution;
mod graph;
mod kernel;
mod launches;
mod modes;
mod parity;
mod steps;
mod tail;
mod train;

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Result;
use program::exit::{describe, usage};
use tch::{Device, Tensor};

use crate::child::seconds;
use crate::clock::Clock;
use crate::options::Options;
use crate::row::Row;

/// A part of the check.
#[derive(Debug)]
pub struct Part {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    /// How long it may take, and whether the time of training comes on top.
    limit: (Duration, bool),
    /// Does it, and hands over each row as soon as it is known.
    pub run: fn(&Setting, &mut dyn FnMut(Row)) -> Result<()>,
}

impl Part {
    /// How long it may take.
    pub fn limit(&self, options: &Options) -> Duration {
        let (limit, trains) = self.limit;
        // A CPU that is tried out takes its time.
        let limit = if options.quick { 4 * limit } else { limit };
        if trains { limit + Duration::from_secs(options.seconds) } else { limit }
    }
}

/// Under which circumstances a part runs.
#[derive(Debug)]
pub struct Setting {
    /// Where to compute.
    pub device: Device,
    /// The same, for the command line of a program.
    pub device_name: String,
    /// Times what runs there.
    pub clock: Clock,
    /// Small sizes and few runs.
    pub quick: bool,
    /// How long to train.
    pub train: Duration,
    /// Where files may be left.
    pub out: PathBuf,
}

impl Setting {
    /// Channels, states, and batches and lengths that blocks and convolutions are timed with.
    fn sizes(&self) -> (i64, i64, &'static [(i64, i64)]) {
        if self.quick {
            (16, 16, &[(2, 256)])
        } else {
            (256, 64, &[(1, 16_384), (16, 16_384), (64, 1024)])
        }
    }

    /// `row` with the times of `forward`, which leaves no tape, and of `step`, with the backward pass.
    fn both(
        &self,
        row: Row,
        forward: impl Fn() -> Result<Tensor>,
        step: impl FnMut() -> Result<()>,
    ) -> Result<Row> {
        let forward = self.clock.ms(|| tch::no_grad(|| forward().map(drop)))?;
        Ok(row.with("forward, ms", forward).with("with backward, ms", self.clock.ms(step)?))
    }

    /// As the options say. To be called before any other call of libtorch.
    pub fn new(options: &Options) -> Result<Self> {
        let device = options.device.choose()?.device;
        let budget = Duration::from_millis(if options.quick { 30 } else { 150 });
        Ok(Self {
            device,
            device_name: options.device.to_string(),
            clock: Clock { device, budget },
            quick: options.quick,
            train: Duration::from_secs(options.seconds),
            out: options.out.clone(),
        })
    }
}

/// All parts, in the order in which they run.
pub static PARTS: &[Part] = &[
    Part {
        name: "modes",
        about: "outputs and gradients of a block against float64 on the CPU, every way",
        limit: (seconds(40), false),
        run: modes::run,
    },
    Part {
        name: "launches",
        about: "operations that a layer dispatches",
        limit: (seconds(30), false),
        run: launches::run,
    },
    Part {
        name: "kernel",
        about: "convolution kernels from parameters",
        limit: (seconds(30), false),
        run: kernel::run,
    },
    Part {
        name: "convolution",
        about: "convolutions, with kernels and tables at hand where they are needed",
        limit: (seconds(30), false),
        run: convolution::run,
    },
    Part { name: "block", about: "whole S4 blocks", limit: (seconds(60), false), run: block::run },
    Part {
        name: "graph",
        about: "blocks, forward and backward, as CUDA graphs",
        limit: (seconds(30), false),
        run: graph::run,
    },
    Part {
        name: "tail",
        about: "what follows the convolution in a residual block",
        limit: (seconds(30), false),
        run: tail::run,
    },
    Part {
        name: "steps",
        about: "training steps of whole models, optimiser included",
        limit: (seconds(90), false),
        run: steps::run,
    },
    Part {
        name: "train",
        about: "the programs: train, kill, resume, evaluate, generate",
        limit: (seconds(90), true),
        run: train::run,
    },
    Part {
        name: "parity",
        about: "the test programs on this device",
        limit: (seconds(120), false),
        run: parity::run,
    },
];

/// The part called `name`.
pub fn find(name: &str) -> Result<&'static Part> {
    PARTS.iter().find(|part| part.name == name).ok_or_else(|| {
        let names: Vec<_> = PARTS.iter().map(|part| part.name).collect();
        usage(format!("there is no part `{name}`; parts: {}", names.join(", ")))
    })
}

/// What the name of a wanted row contains.
pub static WANTED: OnceLock<String> = OnceLock::new();

/// Whether a row is wanted.
pub fn is_wanted(name: &str) -> bool {
    WANTED.get().is_none_or(|wanted| name.contains(wanted.as_str()))
}

/// The row of `name` with what `measure` finds; a failure is the row's, and others follow. Without
/// figures where it is not wanted.
fn row(name: String, measure: impl FnOnce(Row) -> Result<Row>) -> Row {
    if !is_wanted(&name) {
        return Row::new(name);
    }
    match measure(Row::new(name.clone())) {
        Ok(row) => row,
        Err(error) => Row::new(name).failing(describe(&error)),
    }
}
