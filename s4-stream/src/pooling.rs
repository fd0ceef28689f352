//! What of the outputs so far is decoded: a whole sequence gets one vector.

use anyhow::Result;
use s4_config::Pooling;

use crate::simd::{Isa, Kernel, Lanes, Simd, lanes, pack_into};
use crate::state_tensors::StateTensors;

/// The outputs of some sequences so far, as far as they are needed.
#[derive(Debug)]
pub(crate) struct Pooled {
    pooling: Pooling,
    /// Positions so far.
    count: u64,
    /// The first output, or the sum of all; empty if the last one is decoded.
    kept: Vec<Lanes>,
    /// What rounding has added to the sum (Kahan).
    excess: Vec<Lanes>,
}

impl Pooled {
    /// Before the first output of some sequences, which take `lanes` in all.
    pub fn new(pooling: Pooling, lanes: usize) -> Self {
        let zeros = |needed: bool| if needed { vec![Lanes::ZERO; lanes] } else { Vec::new() };
        let sums = matches!(pooling, Pooling::Mean | Pooling::Sum);
        Self { pooling, count: 0, kept: zeros(pooling != Pooling::Last), excess: zeros(sums) }
    }

    /// Takes in the outputs `y` of the next position and replaces them by what is decoded.
    pub fn push(&mut self, isa: Isa, y: &mut [Lanes]) {
        self.count += 1;
        let scale = match self.pooling {
            Pooling::Last => return,
            Pooling::First => {
                match self.count {
                    1 => self.kept.copy_from_slice(y),
                    _ => y.copy_from_slice(&self.kept),
                }
                return;
            }
            Pooling::Sum => 1.0,
            Pooling::Mean => 1.0 / self.count as f32,
        };
        isa.run(Add { sum: &mut self.kept, excess: &mut self.excess, y, scale });
    }

    /// The same for `times` sequences instead of each one.
    pub fn repeat(&self, times: usize) -> Self {
        let Self { pooling, count, ref kept, ref excess } = *self;
        Self { pooling, count, kept: kept.repeat(times), excess: excess.repeat(times) }
    }

    /// Goes back to before the first output.
    pub fn reset(&mut self) {
        self.count = 0;
        self.kept.fill(Lanes::ZERO);
        self.excess.fill(Lanes::ZERO);
    }

    /// After `position` outputs of `channels` channels, whose first one or sum is the next of
    /// `tensors`.
    pub fn load(
        &mut self,
        position: u64,
        channels: usize,
        tensors: &mut StateTensors,
    ) -> Result<()> {
        self.reset();
        self.count = position;
        if self.pooling != Pooling::Last {
            let rows = tensors.next("of what is pooled", channels)?.chunks_exact(channels);
            let sequences = self.kept.chunks_exact_mut(lanes(channels));
            for (kept, row) in sequences.zip(rows) {
                pack_into(row, kept);
            }
        }
        Ok(())
    }
}

struct Add<'a> {
    sum: &'a mut [Lanes],
    excess: &'a mut [Lanes],
    y: &'a mut [Lanes],
    scale: f32,
}

impl Kernel for Add<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let scale = s.splat(self.scale);
        for ((sum, excess), y) in self.sum.iter_mut().zip(self.excess).zip(self.y) {
            let (old, next) = (s.load(sum), s.sub(s.load(y), s.load(excess)));
            let new = s.add(old, next);
            s.store(s.sub(s.sub(new, old), next), excess);
            s.store(new, sum);
            s.store(s.mul(new, scale), y);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::pack;

    /// What is decoded after each of `len` outputs, of one channel.
    fn decoded(isa: Isa, pooled: &mut Pooled, outputs: impl Iterator<Item = f32>) -> Vec<f32> {
        let step = |output| {
            let mut y = pack([output]);
            pooled.push(isa, &mut y);
            y[0].0[0]
        };
        outputs.map(step).collect()
    }

    #[test]
    fn each_pooling_decodes_what_it_says() {
        for (pooling, expected) in [
            (Pooling::Last, [3.0, 5.0, 1.0]),
            (Pooling::First, [3.0, 3.0, 3.0]),
            (Pooling::Sum, [3.0, 8.0, 9.0]),
            (Pooling::Mean, [3.0, 4.0, 3.0]),
        ] {
            for isa in Isa::both() {
                let mut pooled = Pooled::new(pooling, 1);
                for _ in 0..2 {
                    let found = decoded(isa, &mut pooled, [3.0, 5.0, 1.0].into_iter());
                    assert_eq!(found, expected, "{pooling:?}");
                    pooled.reset();
                }
            }
        }
    }

    #[test]
    fn long_sums_do_not_lose_small_outputs() {
        for isa in Isa::both() {
            let mut pooled = Pooled::new(Pooling::Sum, 1);
            let found = decoded(isa, &mut pooled, (0..1_000_000).map(|_| 0.1));
            // Plain float32 would be at about 100 958.
            assert!((found[999_999] - 1e5).abs() < 0.02, "{}", found[999_999]);
        }
    }
}
