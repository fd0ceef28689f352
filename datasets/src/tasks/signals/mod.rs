//! Generated signals that ask for memory: one file a task. An example follows from the seed, its part and
//! its number.

mod adding;
mod copying;
mod delay;
mod reconstruct;
mod white;

use anyhow::{Result, ensure};
use program::findings::Findings;
use program::seed::derive_bytes;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use toml::Table;

use super::Splits;
use crate::batch::Example;
use crate::medium::Medium;
use crate::shape::Shape;
use crate::split::{Examples, Split};

pub(super) use adding::TASK as ADDING;
pub(super) use copying::TASK as COPYING;
pub(super) use delay::TASK as DELAY;
pub(super) use reconstruct::TASK as RECONSTRUCT;

/// Draws an example.
trait Signal: Clone + Send + Sync + 'static {
    fn draw(&self, random: &mut ChaCha8Rng) -> Example;
}

/// How many examples there are, and what they follow from.
#[derive(Clone, Copy)]
struct Counts {
    train: u64,
    eval: u64,
    seed: u64,
}

struct Part<S> {
    signal: S,
    name: &'static str,
    count: u64,
    seed: u64,
}

impl<S: Signal> Examples for Part<S> {
    fn len(&self) -> usize {
        self.count as usize
    }

    fn example(&self, index: usize) -> Result<Example> {
        let seed = derive_bytes(self.seed, self.name, index as u64);
        Ok(self.signal.draw(&mut ChaCha8Rng::from_seed(seed)))
    }
}

/// The splits of a signal, described by `words`.
fn splits(
    signal: &impl Signal,
    counts: Counts,
    shape: Shape,
    config: Table,
    words: &str,
) -> Result<Splits> {
    let Counts { train, eval, seed } = counts;
    ensure!(train > 0 && eval > 0, "data.count and data.eval_count are at least 1");
    let part = |name, count| Split::new(Part { signal: signal.clone(), name, count, seed });
    Ok(Splits {
        shape,
        medium: Medium::Series,
        config,
        train: part("signals, train", train),
        val: part("signals, val", eval),
        test: part("signals, test", eval),
        origin: format!(
            "generated: {words}; {train} to train on, {eval} each to validate and to test"
        ),
        findings: Findings::default(),
    })
}
