//! Codes further back than the last one, each place with vectors of its own.

use anyhow::{Context, Result};

use crate::past::Past;
use crate::settings::size;
use crate::simd::{Lanes, pack};
use crate::weights::Place;

/// Vectors of the codes at some places before the next one; none for most models.
#[derive(Debug, Clone)]
pub(crate) struct Lags(Vec<Lag>);

#[derive(Debug, Clone)]
struct Lag {
    /// Places before the next code.
    lag: usize,
    vectors: Vec<Lanes>,
}

impl Lags {
    /// Reads `{lag}.weight` (codes, H) of each of `lags`, for a network of `width` channels that gets as many
    /// `codes`, or values.
    pub fn read(place: &Place, lags: &[i64], codes: Option<usize>, width: usize) -> Result<Self> {
        let read = |&lag: &i64| -> Result<Lag> {
            let codes = codes.context("model.lags is for models that get codes, not values")?;
            let rows = place.sub(lag).tensor("weight", &[codes, width])?;
            let vector = |row: &[f64]| pack(row.iter().map(|&x| x as f32));
            Ok(Lag { lag: size(lag), vectors: rows.chunks_exact(width).flat_map(vector).collect() })
        };
        lags.iter().map(read).collect::<Result<_>>().map(Self)
    }

    /// Adds to x (`batch`, H), what the last codes have become, the vectors of those further back.
    pub fn add(&self, past: &Past, batch: usize, x: &mut [Lanes]) {
        let width = x.len() / batch;
        for (row, x) in x.chunks_exact_mut(width).enumerate() {
            for Lag { lag, vectors } in &self.0 {
                let Some(code) = past.code(row, *lag) else { continue };
                for (x, vector) in x.iter_mut().zip(&vectors[code as usize * width..]) {
                    x.0.iter_mut().zip(vector.0).for_each(|(x, y)| *x += y);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two codes, of one number each, 2 and 4 places before the next.
    #[test]
    fn what_is_further_back_is_added_and_nothing_before_the_start() {
        let lag = |lag, first: f32| Lag {
            lag,
            vectors: [first, 10.0 * first].iter().flat_map(|&x| pack([x])).collect(),
        };
        let lags = Lags(vec![lag(2, 1.0), lag(4, 100.0)]);
        let mut past = Past::new(1, 4);
        let sums = [1, 0, 1, 1, 0, 0].map(|code| {
            past.push(&[code]);
            let mut x = [Lanes::ZERO];
            lags.add(&past, 1, &mut x);
            x[0].0[0]
        });
        // The fourth sees code 1, at the third, and code 1, at the first.
        assert_eq!(sums, [0.0, 10.0, 1.0, 1010.0, 110.0, 1001.0]);
    }
}
