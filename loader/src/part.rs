//! The part of each batch that one of several processes has.

use std::ops::Range;
use std::sync::Arc;

use anyhow::{Result, ensure};

use crate::dataset::Dataset;
use crate::sampler::Sampler;

/// A data set that is asked for whole batches and builds this process's rows of them: which samples are
/// in a batch does not depend on the number of processes.
pub struct Part<B> {
    data: Arc<dyn Dataset<Batch = B>>,
    rank: usize,
    size: usize,
}

impl<B: Send + 'static> Part<B> {
    /// The part of process `rank` of `size`.
    pub fn new(data: Arc<dyn Dataset<Batch = B>>, rank: usize, size: usize) -> Self {
        Self { data, rank, size }
    }
}

/// Which of `rows` rows process `rank` of `size` has: the parts of all are consecutive, and differ by one
/// row at most.
pub fn rows(rows: usize, rank: usize, size: usize) -> Range<usize> {
    rows * rank / size..rows * (rank + 1) / size
}

impl<B: Send + 'static> Dataset for Part<B> {
    type Batch = B;

    fn len(&self) -> usize {
        self.data.len()
    }

    fn is_stream(&self) -> bool {
        self.data.is_stream()
    }

    fn length(&self, index: usize) -> usize {
        self.data.length(index)
    }

    fn batch(&self, indices: &[usize]) -> Result<B> {
        // One sample alone is looked at to find out which of a batch is at fault.
        if self.size == 1 || indices.len() == 1 {
            return self.data.batch(indices);
        }
        let rows = rows(indices.len(), self.rank, self.size);
        ensure!(
            !rows.is_empty(),
            "{} samples are too few for {} processes",
            indices.len(),
            self.size
        );
        self.data.rows(indices, rows)
    }
}

/// Every so many-th batch of a pass, from one on: those that one of several processes evaluates.
#[derive(Debug)]
pub struct EveryNth<S: ?Sized> {
    /// All batches.
    pub all: Arc<S>,
    /// The first one.
    pub first: u64,
    /// The distance to the next.
    pub step: u64,
}

impl<S: Sampler + ?Sized> Sampler for EveryNth<S> {
    fn batch(&self, number: u64) -> Option<Vec<usize>> {
        self.all.batch(self.number(number))
    }

    fn number(&self, number: u64) -> u64 {
        self.first + number * self.step
    }

    fn batches_per_epoch(&self) -> u64 {
        self.all.batches_per_epoch().saturating_sub(self.first).div_ceil(self.step)
    }

    fn describe(&self, number: u64) -> String {
        self.all.describe(self.number(number))
    }
}

/// Some rows of every batch of a pass over streams: those that one of several processes evaluates.
pub struct SomeRows {
    all: Arc<dyn Sampler>,
    rows: Range<usize>,
}

impl SomeRows {
    /// The rows of process `rank` of `size`, of batches of `batch_size` rows, of which the last may have
    /// fewer.
    ///
    /// # Errors
    /// If there are fewer rows than processes.
    pub fn new(all: Arc<dyn Sampler>, batch_size: usize, rank: usize, size: usize) -> Result<Self> {
        ensure!(
            batch_size >= size,
            "{batch_size} streams are evaluated at a time, which are too few for {size} processes; raise \
             train.eval_batch_size"
        );
        Ok(Self { all, rows: rows(batch_size, rank, size) })
    }
}

impl Sampler for SomeRows {
    fn batch(&self, number: u64) -> Option<Vec<usize>> {
        let all = self.all.batch(number)?;
        let own = all.get(self.rows.start..self.rows.end.min(all.len()))?;
        (!own.is_empty()).then(|| own.to_vec())
    }

    fn batches_per_epoch(&self) -> u64 {
        self.all.batches_per_epoch()
    }

    fn continues(&self, number: u64) -> bool {
        self.all.continues(number)
    }

    fn describe(&self, number: u64) -> String {
        self.all.describe(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::InOrder;

    struct Numbers;

    impl Dataset for Numbers {
        type Batch = Vec<usize>;

        fn len(&self) -> usize {
            10
        }

        fn batch(&self, indices: &[usize]) -> Result<Vec<usize>> {
            Ok(indices.to_vec())
        }
    }

    #[test]
    fn parts_make_the_whole_and_differ_by_one_row() {
        let indices = [7, 3, 5, 1, 9, 0, 2];
        for size in [1, 2, 3, 7] {
            let part = |rank| Part::new(Arc::new(Numbers), rank, size).batch(&indices).unwrap();
            let parts: Vec<Vec<usize>> = (0..size).map(part).collect();
            assert_eq!(parts.concat(), indices);
            let lengths = || parts.iter().map(Vec::len);
            assert!(lengths().max().unwrap() - lengths().min().unwrap() <= 1, "{parts:?}");
        }
        let message = Part::new(Arc::new(Numbers), 0, 8).batch(&indices).unwrap_err().to_string();
        assert!(message.contains("7 samples are too few for 8 processes"), "{message}");
    }

    #[test]
    fn each_batch_is_evaluated_by_one_process() {
        let all = Arc::new(InOrder::new(10, 2));
        let of = |first| EveryNth { all: all.clone(), first, step: 3 };
        let mut seen: Vec<usize> = (0..3)
            .flat_map(|first| {
                let batches: Vec<_> = (0..).map_while(|n| of(first).batch(n)).collect();
                assert_eq!(batches.len() as u64, of(first).batches_per_epoch());
                batches.concat()
            })
            .collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
        assert_eq!(of(7).batches_per_epoch(), 0);
    }

    #[test]
    fn each_stream_is_evaluated_by_one_process() {
        // The last batch has one row.
        let all: Arc<dyn Sampler> = Arc::new(crate::streams::Streams::once(13, 4));
        let mut seen: Vec<usize> = (0..3)
            .flat_map(|rank| {
                let own = SomeRows::new(all.clone(), 4, rank, 3).unwrap();
                (0..).map_while(move |n| own.batch(n)).flatten()
            })
            .collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..13).collect::<Vec<_>>());
        assert!(SomeRows::new(all, 4, 0, 5).is_err());
    }
}
