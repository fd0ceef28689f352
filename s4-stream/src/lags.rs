//! Codes further back than the last one, each place with vectors of its own.

use anyhow::{Context, Result, ensure};

use crate::settings::size;
use crate::simd::{Lanes, pack};
use crate::state_tensors::StateTensors;
use crate::weights::Place;

/// Vectors of the codes at some places before the next one; none for most models.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lags {
    each: Vec<Lag>,
    /// Different codes.
    codes: usize,
}

#[derive(Debug, Clone)]
struct Lag {
    /// Places before the position at which it is seen: one fewer than before the next code.
    back: usize,
    vectors: Vec<Lanes>,
}

/// The codes that went in before, as far as they are seen.
#[derive(Debug, Clone)]
pub(crate) struct Past {
    /// Codes that went into each sequence so far.
    position: usize,
    /// (B, reach): of each sequence a ring, in which code number n is at n modulo reach.
    codes: Vec<u32>,
}

impl Lags {
    /// Reads `{lag}.weight` (codes, H) of each of `lags`, for a network of `width` channels that gets as many
    /// `codes`, or values.
    pub fn read(place: &Place, lags: &[i64], codes: Option<usize>, width: usize) -> Result<Self> {
        if lags.is_empty() {
            return Ok(Self::default());
        }
        let codes = codes.context("model.lags is for models that get codes, not values")?;
        let each = lags.iter().map(|&lag| {
            let rows = place.sub(lag).tensor("weight", &[codes, width])?;
            let vector = |row: &[f64]| pack(row.iter().map(|&x| x as f32));
            Ok(Lag {
                back: size(lag) - 1,
                vectors: rows.chunks_exact(width).flat_map(vector).collect(),
            })
        });
        Ok(Self { each: each.collect::<Result<_>>()?, codes })
    }

    /// Codes before a position that are seen at it.
    fn reach(&self) -> usize {
        self.each.iter().map(|lag| lag.back).max().unwrap_or(0)
    }

    /// Before the first code of `batch` sequences.
    pub fn past(&self, batch: usize) -> Past {
        Past { position: 0, codes: vec![0; batch * self.reach()] }
    }

    /// After `position` codes of some sequences, whose last ones are the next of `tensors`.
    pub fn load(&self, position: u64, past: &mut Past, tensors: &mut StateTensors) -> Result<()> {
        let reach = self.reach();
        if reach == 0 {
            return Ok(());
        }
        past.position = usize::try_from(position)?;
        let known = reach.min(past.position);
        let rows = tensors.next("the last codes", known)?;
        if known == 0 {
            return Ok(());
        }
        for (row, ring) in rows.chunks_exact(known).zip(past.codes.chunks_exact_mut(reach)) {
            for (number, &code) in (past.position - known..).zip(row) {
                ensure!(
                    code >= 0.0 && code < self.codes as f32,
                    "the state has {code} among the last codes; the model has codes below {}",
                    self.codes
                );
                ring[number % reach] = code as u32;
            }
        }
        Ok(())
    }

    /// Adds to x (B, H), what the `codes` (B) at this position have become, the vectors of those further back,
    /// and keeps the codes.
    pub fn add(&self, codes: &[u32], past: &mut Past, x: &mut [Lanes]) {
        let reach = self.reach();
        if reach == 0 {
            return;
        }
        let (position, width) = (past.position, x.len() / codes.len());
        let sequences = codes.iter().zip(past.codes.chunks_exact_mut(reach));
        for ((&code, ring), x) in sequences.zip(x.chunks_exact_mut(width)) {
            for Lag { back, vectors } in self.each.iter().filter(|lag| lag.back <= position) {
                let seen = ring[(position - back) % reach] as usize;
                for (x, vector) in x.iter_mut().zip(&vectors[seen * width..]) {
                    x.0.iter_mut().zip(vector.0).for_each(|(x, y)| *x += y);
                }
            }
            ring[position % reach] = code;
        }
        past.position += 1;
    }
}

impl Past {
    /// The same for `times` sequences instead of each one.
    pub fn repeat(&self, times: usize) -> Self {
        Self { position: self.position, codes: self.codes.repeat(times) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two codes, of one number each; lags 2 and 4.
    fn lags() -> Lags {
        let lag = |back, first: f32| Lag {
            back,
            vectors: [first, 10.0 * first].iter().flat_map(|&x| pack([x])).collect(),
        };
        Lags { each: vec![lag(1, 1.0), lag(3, 100.0)], codes: 2 }
    }

    fn run(lags: &Lags, past: &mut Past, codes: &[u32]) -> Vec<f32> {
        let step = |code: &u32| {
            let mut x = [Lanes::ZERO];
            lags.add(&[*code], past, &mut x);
            x[0].0[0]
        };
        codes.iter().map(step).collect()
    }

    #[test]
    fn what_is_further_back_is_added_and_nothing_before_the_start() {
        let lags = lags();
        let codes = [1, 0, 1, 1, 0, 0];
        let whole = run(&lags, &mut lags.past(1), &codes);
        // Position 3 sees code 1, at 2, and code 1, at 0.
        assert_eq!(whole, [0.0, 10.0, 1.0, 1010.0, 110.0, 1001.0]);
        for cut in 0..codes.len() {
            let known: Vec<f32> =
                codes[cut.saturating_sub(3)..cut].iter().map(|&code| code as f32).collect();
            let mut past = lags.past(1);
            let tensors = [known];
            let mut tensors = StateTensors::new(&tensors, 1, 0..1);
            lags.load(cut as u64, &mut past, &mut tensors).unwrap();
            assert_eq!(run(&lags, &mut past, &codes[cut..]), whole[cut..], "from {cut}");
        }
        let mut past = lags.past(1);
        let tensors = [vec![2.0]];
        let wrong = lags.load(1, &mut past, &mut StateTensors::new(&tensors, 1, 0..1));
        assert!(wrong.unwrap_err().to_string().contains("codes below 2"));
    }
}
