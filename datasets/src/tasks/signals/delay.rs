//! A signal some time later, at every position (Gu et al. 2023, "How to Train Your HiPPO").

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
    name: "delay",
    about: "noise, some time later",
    kind: Some(Kind::Series),
    metric: |_| Some(Metric::MSE),
    provenance: |task, data| Ok(Provenance::generated(task.settings::<Data>(data)?.count, true)),
    paper: include_str!("../../../../configs/lra/delay.toml"),
    small: include_str!("../../../../configs/lra/delay-small.toml"),
    source: "generated",
    is_there: |_| true,
    ..Task::of::<Data>(load)
};

/// Which noise, and how much later.
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
    /// Samples that it is late. Before the first, zeros are asked for.
    #[default(1_000)]
    delay: usize,
    /// Seconds from sample to sample.
    #[default(0.00025)]
    dt: f64,
    /// Highest frequency in Hz.
    #[default(1_000.0)]
    limit: f64,
    /// The signals follow from it.
    seed: u64,
}

fn load(task: &Task, data: &Table, _: bool) -> Result<Splits> {
    let settings: Data = task.settings(data)?;
    let Data { count, eval_count, length, delay, dt, limit, seed } = settings;
    let white = White { length, dt, limit };
    white.validate()?;
    ensure!(delay < length, "data.delay is {delay}; it must be below data.length, {length}");
    let counts = Counts { train: count, eval: eval_count, seed };
    let words = format!("{length} samples of noise to {limit} Hz, {delay} later");
    splits(&Delay { white, delay }, counts, White::shape(length), to_table(&settings)?, &words)
}

#[derive(Clone, Copy)]
struct Delay {
    white: White,
    delay: usize,
}

impl Signal for Delay {
    fn draw(&self, random: &mut ChaCha8Rng) -> Example {
        let values = self.white.draw(random);
        let late = values[..values.len() - self.delay].iter().map(|&value| f64::from(value));
        let label = std::iter::repeat_n(0.0, self.delay).chain(late).collect();
        let sequences = vec![Sequences::Values { values, features: 1 }];
        Example { sequences, label: Label::Values(label) }
    }
}
