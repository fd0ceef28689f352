//! The copying problem (Hochreiter & Schmidhuber 1997; Arjovsky et al. 2016): symbols, nothing, and when
//! markers come, the symbols once more. Laid out as in the official code.

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
use crate::provenance::Provenance;
use crate::shape::{Shape, Target};

pub(in crate::tasks) const TASK: Task = Task {
    name: "copying",
    about: "symbols, again after a long pause",
    kind: Some(Kind::Series),
    provenance: |task, data| Ok(Provenance::generated(task.settings::<Data>(data)?.count, true)),
    paper: include_str!("../../../../configs/lra/copying.toml"),
    small: include_str!("../../../../configs/lra/copying-small.toml"),
    source: "generated",
    is_there: |_| true,
    ..Task::of::<Data>(load)
};

/// How many symbols of which kinds, and for how long.
#[derive(Debug, Clone, PartialEq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Data {
    /// Sequences to train on.
    #[default(10_000)]
    count: u64,
    /// Sequences to validate, and to test.
    #[default(1_000)]
    eval_count: u64,
    /// Symbols at the beginning, which are asked for at as many markers at the end.
    #[default(10)]
    symbols: usize,
    /// Blanks between them and the markers.
    #[default(100)]
    blanks: usize,
    /// Different tokens: blank, marker, and as many symbols as are left.
    #[default(10)]
    kinds: i64,
    /// They follow from it.
    seed: u64,
}

fn load(task: &Task, data: &Table, _: bool) -> Result<Splits> {
    let settings: Data = task.settings(data)?;
    let Data { count, eval_count, symbols, blanks, kinds, seed } = settings;
    ensure!(symbols > 0, "data.symbols is 0; there must be something to copy");
    let length = symbols.saturating_mul(2).saturating_add(blanks);
    ensure!(
        length < 1 << 24,
        "data.symbols {symbols} twice and data.blanks {blanks} are {length} tokens, of at most 16777215"
    );
    ensure!(
        (4..=1 << 16).contains(&kinds),
        "data.kinds is {kinds}; with blank and marker it must be 4 to 65536"
    );
    let shape = Shape {
        input: Input::Tokens { vocabulary: kinds },
        target: Target::LastTokens { vocabulary: kinds, positions: symbols },
    };
    let counts = Counts { train: count, eval: eval_count, seed };
    let words = format!("{symbols} symbols of {} kinds, again after {blanks} blanks", kinds - 2);
    splits(&Copying { symbols, blanks, kinds }, counts, shape, to_table(&settings)?, &words)
}

#[derive(Clone, Copy)]
struct Copying {
    symbols: usize,
    blanks: usize,
    kinds: i64,
}

impl Signal for Copying {
    fn draw(&self, random: &mut ChaCha8Rng) -> Example {
        const BLANK: i64 = 0;
        let marker = self.kinds - 1;
        let symbols: Vec<i64> =
            (0..self.symbols).map(|_| random.random_range(BLANK + 1..marker)).collect();
        let mut tokens = symbols.clone();
        tokens.resize(self.symbols + self.blanks, BLANK);
        tokens.resize(2 * self.symbols + self.blanks, marker);
        let sequences = vec![Sequences::Tokens(tokens)];
        Example { sequences, label: Label::LastTokens(symbols) }
    }
}
