//! The end of a signal from what is left of it in one state (Gu et al. 2020).

use anyhow::{Result, ensure};
use program::config::to_table;
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smart_default::SmartDefault;
use toml::Table;

use super::super::{Splits, Task};
use super::white::White;
use super::{Counts, Signal, splits};
use crate::batch::{Example, Label, Sequences};
use crate::medium::Kind;
use crate::metric::Metric;
use crate::provenance::Provenance;

pub(in crate::tasks) const TASK: Task = Task {
    name: "reconstruct",
    about: "the end of noise, from one vector",
    kind: Some(Kind::Series),
    metric: |_| Some(Metric::MSE),
    provenance: |task, data| Ok(Provenance::generated(task.settings::<Data>(data)?.count, true)),
    paper: include_str!("../../../../configs/lra/reconstruct.toml"),
    small: include_str!("../../../../configs/lra/reconstruct-small.toml"),
    source: "generated",
    is_there: |_| true,
    ..Task::of::<Data>(load)
};

/// Which noise, and how much of it.
#[derive(Debug, Clone, PartialEq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Data {
    /// Signals to train on.
    #[default(16_384)]
    count: u64,
    /// Signals to validate, and to test.
    #[default(1_024)]
    eval_count: u64,
    /// Samples of a signal.
    #[default(4_000)]
    length: usize,
    /// Samples at its end that are asked for.
    #[default(1_000)]
    memory: usize,
    /// Seconds from sample to sample.
    #[default(0.001)]
    dt: f64,
    /// Highest frequency in Hz.
    #[default(100.0)]
    limit: f64,
    /// The signals follow from it.
    seed: u64,
}

fn load(task: &Task, data: &Table, _: bool) -> Result<Splits> {
    let settings: Data = task.settings(data)?;
    let Data { count, eval_count, length, memory, dt, limit, seed } = settings;
    let white = White { length, dt, limit };
    white.validate()?;
    ensure!(
        (1..=length).contains(&memory),
        "data.memory is {memory}; it must be 1 to data.length, {length}"
    );
    let counts = Counts { train: count, eval: eval_count, seed };
    let words = format!("the last {memory} of {length} samples of noise to {limit} Hz");
    splits(
        &Reconstruct { white, memory },
        counts,
        White::shape(memory),
        to_table(&settings)?,
        &words,
    )
}

#[derive(Clone, Copy)]
struct Reconstruct {
    white: White,
    memory: usize,
}

impl Signal for Reconstruct {
    fn draw(&self, random: &mut ChaCha8Rng) -> Example {
        let values = self.white.draw(random);
        let end = &values[values.len() - self.memory..];
        let label = Label::Values(end.iter().map(|&value| f64::from(value)).collect());
        Example { sequences: vec![Sequences::Values { values, features: 1 }], label }
    }
}
