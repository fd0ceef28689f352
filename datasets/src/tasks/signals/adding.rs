//! The adding problem (Hochreiter & Schmidhuber 1997): the sum of two marked numbers, one in each half.

use anyhow::{Result, ensure};
use program::config::to_table;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use s4_config::Input;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smart_default::SmartDefault;
use toml::Table;

use super::super::{Splits, Task};
use super::{Counts, Signal, splits};
use crate::batch::{Example, Label, Sequences};
use crate::medium::Kind;
use crate::metric::Metric;
use crate::provenance::Provenance;
use crate::shape::{Quantity, Shape, Target};

pub(in crate::tasks) const TASK: Task = Task {
    name: "adding",
    about: "the sum of two marked numbers",
    kind: Some(Kind::Series),
    metric: |_| Some(Metric::LOSS),
    provenance: |task, data| Ok(Provenance::generated(task.settings::<Data>(data)?.count, true)),
    paper: include_str!("../../../../configs/lra/adding.toml"),
    small: include_str!("../../../../configs/lra/adding-small.toml"),
    source: "generated",
    is_there: |_| true,
    ..Task::of::<Data>(load)
};

/// How many sequences of which length.
#[derive(Debug, Clone, PartialEq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Data {
    /// Sequences to train on.
    #[default(50_000)]
    count: u64,
    /// Sequences to validate, and to test.
    #[default(1_000)]
    eval_count: u64,
    /// Numbers of a sequence.
    #[default(1_000)]
    length: usize,
    /// They follow from it.
    seed: u64,
}

fn load(task: &Task, data: &Table, _: bool) -> Result<Splits> {
    let settings: Data = task.settings(data)?;
    let Data { count, eval_count, length, seed } = settings;
    ensure!((2..1 << 24).contains(&length), "data.length is {length}; it must be 2 to 16777215");
    let shape = Shape {
        input: Input::Values { features: 2 },
        target: Target::Values(vec![Quantity::plain("sum".to_owned())]),
    };
    let counts = Counts { train: count, eval: eval_count, seed };
    let words = format!("two of {length} numbers to be added");
    splits(&Adding { length }, counts, shape, to_table(&settings)?, &words)
}

#[derive(Clone, Copy)]
struct Adding {
    length: usize,
}

impl Signal for Adding {
    fn draw(&self, random: &mut ChaCha8Rng) -> Example {
        let half = self.length / 2;
        let marked = [random.random_range(0..half), random.random_range(half..self.length)];
        let mut values = Vec::with_capacity(2 * self.length);
        for place in 0..self.length {
            let mark = f32::from(u8::from(marked.contains(&place)));
            values.extend([random.random::<f32>(), mark]);
        }
        let sum = marked.iter().map(|&place| f64::from(values[2 * place])).sum();
        let sequences = vec![Sequences::Values { values, features: 2 }];
        Example { sequences, label: Label::Values(vec![sum]) }
    }
}
