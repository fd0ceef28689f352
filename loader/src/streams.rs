//! Samples that continue each other: the pieces of a long text or series.

use anyhow::Result;

use crate::sampler::{Sampler, steps};

/// Parallel streams: row `r` of a batch continues row `r` of the one before, so that a model can
/// carry its state along, as language models do (Dai et al. 2019).
#[derive(Debug, Clone)]
pub struct Streams {
    /// Samples in each stream.
    each: usize,
    rows: usize,
    /// So many of the first streams have one sample more.
    longer: usize,
    batches_per_epoch: u64,
    endless: bool,
}

impl Streams {
    /// `len` samples as `rows` streams of equal length, over and over: for training. The number of
    /// batches in an epoch is a multiple of `group`, the number of batches that make one optimiser
    /// step; samples at the ends that do not fill a step are left out.
    ///
    /// # Errors
    /// If there are not enough samples for one group.
    pub fn endless(len: usize, rows: usize, group: usize) -> Result<Self> {
        let batches_per_epoch = steps(len, rows, group)? * group as u64;
        Ok(Self { each: len / rows, rows, longer: 0, batches_per_epoch, endless: true })
    }

    /// Every one of `len` samples once: for evaluation. Where the streams are not of equal length,
    /// the last batch has fewer rows: the first ones.
    ///
    /// # Panics
    /// If `rows` is 0.
    pub fn once(len: usize, rows: usize) -> Self {
        assert!(rows > 0, "a batch holds at least one sample");
        let batches_per_epoch = len.div_ceil(rows) as u64;
        Self { each: len / rows, rows, longer: len % rows, batches_per_epoch, endless: false }
    }
}

impl Sampler for Streams {
    fn batch(&self, number: u64) -> Option<Vec<usize>> {
        if !self.endless && number >= self.batches_per_epoch {
            return None;
        }
        let at = (number % self.batches_per_epoch) as usize;
        let rows = if at < self.each { self.rows } else { self.longer };
        Some((0..rows).map(|row| row * self.each + row.min(self.longer) + at).collect())
    }

    fn batches_per_epoch(&self) -> u64 {
        self.batches_per_epoch
    }

    fn continues(&self, number: u64) -> bool {
        !number.is_multiple_of(self.batches_per_epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_continues_the_one_before() {
        // 23 samples in 3 rows of 7, two batches to a step: 6 batches of an epoch.
        let streams = Streams::endless(23, 3, 2).unwrap();
        assert_eq!(streams.batches_per_epoch(), 6);
        assert_eq!(streams.batch(0).unwrap(), [0, 7, 14]);
        assert_eq!(streams.batch(5).unwrap(), [5, 12, 19]);
        assert_eq!(streams.batch(6), streams.batch(0), "every epoch begins anew");
        assert!((0..13).all(|number| streams.continues(number) == (number % 6 != 0)));
    }

    #[test]
    fn evaluation_sees_every_sample_once_and_in_order() {
        for (len, rows) in [(11, 3), (12, 3), (2, 3), (1, 1)] {
            let streams = Streams::once(len, rows);
            let batches: Vec<_> = (0..).map_while(|number| streams.batch(number)).collect();
            assert_eq!(batches.len() as u64, streams.batches_per_epoch());
            for pair in batches.windows(2) {
                let next: Vec<usize> = pair[0].iter().map(|i| i + 1).collect();
                assert_eq!(pair[1], next[..pair[1].len()], "{len} in {rows}");
            }
            let mut all = batches.concat();
            all.sort_unstable();
            assert_eq!(all, (0..len).collect::<Vec<_>>(), "{len} in {rows}");
        }
    }

    #[test]
    fn too_few_samples_are_refused_with_the_numbers() {
        let message = Streams::endless(7, 4, 2).unwrap_err().to_string();
        assert!(message.contains("7 samples") && message.contains("takes 8"), "{message}");
    }
}
