//! Which samples make up which batch.

use std::sync::{Arc, Mutex};

use anyhow::{Result, ensure};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::dataset::Dataset;
use crate::streams::Streams;
use program::seed;

/// The batches of a pass or of many, numbered from 0.
pub trait Sampler: Send + Sync {
    /// Samples of batch `number`; `None` past the end.
    fn batch(&self, number: u64) -> Option<Vec<usize>>;

    /// Number of batches in a pass over the data.
    fn batches_per_epoch(&self) -> u64;

    /// The number of batch `number` in the pass of which this is a part.
    fn number(&self, number: u64) -> u64 {
        number
    }

    /// Whether the samples of batch `number` continue, row by row, those of the batch before.
    fn continues(&self, number: u64) -> bool {
        let _ = number;
        false
    }

    /// The batch in words, for messages.
    fn describe(&self, number: u64) -> String {
        let batches = self.batches_per_epoch();
        format!("batch {} of {batches} in epoch {}", number % batches + 1, number / batches + 1)
    }
}

/// The batches that a model is trained on with `data`, over and over; `group` of them make one
/// optimiser step.
///
/// # Errors
/// If there are not enough samples for one step.
pub fn for_training<B: Send + 'static>(
    data: &dyn Dataset<Batch = B>,
    batch_size: usize,
    group: usize,
    seed: u64,
) -> Result<Arc<dyn Sampler>> {
    let len = data.len();
    if data.is_stream() {
        return Ok(Arc::new(Streams::endless(len, batch_size, group)?));
    }
    let lengths = (0..len).map(|i| data.length(i)).collect();
    Ok(Arc::new(Shuffled::new(len, batch_size, group, seed)?.by_lengths(lengths)))
}

/// The batches that a model is evaluated on with `data`: every sample once, in order.
///
/// # Panics
/// If `batch_size` is 0.
pub fn for_evaluation<B: Send + 'static>(
    data: &dyn Dataset<Batch = B>,
    batch_size: usize,
) -> Arc<dyn Sampler> {
    if data.is_stream() {
        return Arc::new(Streams::once(data.len(), batch_size));
    }
    Arc::new(InOrder::new(data.len(), batch_size))
}

/// Optimiser steps in a pass over `len` samples.
pub(crate) fn steps(len: usize, batch_size: usize, group: usize) -> Result<u64> {
    ensure!(batch_size > 0 && group > 0, "batch size and accumulation must be at least 1");
    let steps = len / batch_size / group;
    ensure!(
        steps > 0,
        "the training split has {len} samples, but one step takes {} (batch_size {batch_size} x \
         accumulate {group}); lower train.batch_size or use more data",
        batch_size * group
    );
    Ok(steps as u64)
}

/// Every sample once, in order, the last batch possibly smaller: for evaluation.
#[derive(Debug, Clone)]
pub struct InOrder {
    len: usize,
    batch_size: usize,
}

impl InOrder {
    /// `len` samples in batches of `batch_size`.
    ///
    /// # Panics
    /// If `batch_size` is 0.
    pub fn new(len: usize, batch_size: usize) -> Self {
        assert!(batch_size > 0, "a batch holds at least one sample");
        Self { len, batch_size }
    }
}

impl Sampler for InOrder {
    fn batch(&self, number: u64) -> Option<Vec<usize>> {
        let first = usize::try_from(number).ok()?.checked_mul(self.batch_size)?;
        let last = first.saturating_add(self.batch_size).min(self.len);
        (first < last).then(|| (first..last).collect())
    }

    fn batches_per_epoch(&self) -> u64 {
        self.len.div_ceil(self.batch_size) as u64
    }

    fn describe(&self, number: u64) -> String {
        format!("batch {} of {}", number + 1, self.batches_per_epoch())
    }
}

/// Endless shuffled epochs for training; batches are numbered through all of them.
///
/// The order of an epoch depends on (seed, epoch) alone, so the batch number is all a checkpoint
/// has to keep. Where samples differ in length, each stretch of 32 batches of that order is
/// sorted by length and cut anew, and the batches of the epoch are shuffled once more: the samples
/// of a batch are similar then, and still others in every epoch. Samples that do not fill the last
/// group of batches of an epoch are left out, as the official code does.
#[derive(Debug)]
pub struct Shuffled {
    len: usize,
    batch_size: usize,
    batches_per_epoch: u64,
    seed: u64,
    /// Length of each sample; empty where they do not differ.
    lengths: Vec<usize>,
    /// Orders in use: workers that build ahead may be an epoch further than the slowest.
    orders: Mutex<Vec<(u64, Arc<[usize]>)>>,
}

/// Sort window, in batches.
const WINDOW: usize = 32;

impl Shuffled {
    /// `len` samples in batches of `batch_size`. The number of batches in an epoch is a multiple
    /// of `group`, the number of batches that make one optimiser step.
    ///
    /// # Errors
    /// If there are not enough samples for one group.
    pub fn new(len: usize, batch_size: usize, group: usize, seed: u64) -> Result<Self> {
        let batches_per_epoch = steps(len, batch_size, group)? * group as u64;
        let (lengths, orders) = (Vec::new(), Mutex::default());
        Ok(Self { len, batch_size, batches_per_epoch, seed, lengths, orders })
    }

    /// The same with batches of similar `lengths`, one for each sample.
    ///
    /// # Panics
    /// If there are more or fewer lengths than samples.
    pub fn by_lengths(self, lengths: Vec<usize>) -> Self {
        assert_eq!(lengths.len(), self.len, "a length for each sample");
        let differ = lengths.windows(2).any(|pair| pair[0] != pair[1]);
        Self { lengths: if differ { lengths } else { Vec::new() }, ..self }
    }

    fn order(&self, epoch: u64) -> Arc<[usize]> {
        let mut orders = self.orders.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some((_, order)) = orders.iter().find(|(known, _)| *known == epoch) {
            return order.clone();
        }
        let mut order = permutation(self.len, self.seed, "epoch order", epoch);
        if !self.lengths.is_empty() {
            order = self.similar_batches(order, epoch);
        }
        let order: Arc<[usize]> = order.into();
        orders.retain(|(known, _)| known + 1 >= epoch);
        orders.push((epoch, order.clone()));
        order
    }

    fn similar_batches(&self, mut order: Vec<usize>, epoch: u64) -> Vec<usize> {
        let batches = self.batches_per_epoch as usize;
        order.truncate(batches * self.batch_size);
        for window in order.chunks_mut(WINDOW * self.batch_size) {
            window.sort_by_key(|&sample| self.lengths[sample]);
        }
        let shuffled = permutation(batches, self.seed, "batch order", epoch).into_iter();
        shuffled.flat_map(|b| &order[b * self.batch_size..][..self.batch_size]).copied().collect()
    }
}

impl Sampler for Shuffled {
    fn batch(&self, number: u64) -> Option<Vec<usize>> {
        let order = self.order(number / self.batches_per_epoch);
        let first = (number % self.batches_per_epoch) as usize * self.batch_size;
        Some(order[first..first + self.batch_size].to_vec())
    }

    fn batches_per_epoch(&self) -> u64 {
        self.batches_per_epoch
    }
}

/// The order for `purpose` in `epoch`: a Fisher-Yates shuffle driven by ChaCha8, whose stream is
/// specified, so that orders survive upgrades of the `rand` crates.
fn permutation(len: usize, seed: u64, purpose: &str, epoch: u64) -> Vec<usize> {
    let mut rng = ChaCha8Rng::from_seed(seed::derive_bytes(seed, purpose, epoch));
    let mut order: Vec<usize> = (0..len).collect();
    for i in (1..len).rev() {
        // Lemire's multiplication; its bias at these lengths is below 2^-30.
        let j = ((u128::from(rng.next_u64()) * (i as u128 + 1)) >> 64) as usize;
        order.swap(i, j);
    }
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn evaluation_sees_every_sample_once() {
        let sampler = InOrder::new(7, 3);
        let batches: Vec<_> = (0..).map_while(|n| sampler.batch(n)).collect();
        assert_eq!(batches, [vec![0, 1, 2], vec![3, 4, 5], vec![6]]);
        assert_eq!(sampler.batches_per_epoch(), 3);
        assert!(InOrder::new(0, 3).batch(0).is_none());
    }

    #[test]
    fn an_epoch_drops_what_fills_no_step() {
        // 17 samples, batches of 2, two to a step: 4 steps of 4 samples.
        let sampler = Shuffled::new(17, 2, 2, 1).unwrap();
        assert_eq!(sampler.batches_per_epoch(), 8);
        let epoch = |e: u64| -> Vec<usize> {
            (e * 8..(e + 1) * 8).flat_map(|n| sampler.batch(n).unwrap()).collect()
        };
        let mut first = epoch(0);
        assert_ne!(first, epoch(1));
        assert_eq!(first, epoch(0), "an order does not depend on what was asked before");
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), 16, "no sample twice in an epoch");
    }

    #[test]
    fn batches_of_similar_lengths_waste_little_and_still_change() {
        let lengths: Vec<usize> = (0..1000).map(|i| 100 + i * 7919 % 900).collect();
        let plain = Shuffled::new(1000, 8, 2, 3).unwrap();
        let similar = Shuffled::new(1000, 8, 2, 3).unwrap().by_lengths(lengths.clone());
        let batches = similar.batches_per_epoch();
        let epoch = |sampler: &Shuffled, e: u64| -> Vec<Vec<usize>> {
            (e * batches..(e + 1) * batches).map(|n| sampler.batch(n).unwrap()).collect()
        };
        let padded = |batches: &[Vec<usize>]| -> usize {
            batches.iter().map(|b| 8 * b.iter().map(|&i| lengths[i]).max().unwrap()).sum()
        };
        let (first, second) = (epoch(&similar, 0), epoch(&similar, 1));
        assert_eq!(first, epoch(&similar, 0), "an order does not depend on what was asked before");
        let used: usize = first.iter().flatten().map(|&i| lengths[i]).sum();
        assert!(padded(&first) < used * 11 / 10, "{} for {used}", padded(&first));
        assert!(padded(&epoch(&plain, 0)) > used * 14 / 10, "the test shows nothing");
        let sorted = |batches: &[Vec<usize>]| {
            let mut all: Vec<usize> = batches.concat();
            all.sort_unstable();
            all
        };
        let mut distinct = sorted(&first);
        distinct.dedup();
        assert_eq!(distinct.len(), 8 * batches as usize, "no sample twice in an epoch");
        // The same samples meet again only by chance.
        let again = first.iter().filter(|batch| second.contains(batch)).count();
        assert_eq!(again, 0);
        // Long batches do not come together.
        let longest = |batch: &Vec<usize>| batch.iter().map(|&i| lengths[i]).max().unwrap();
        let rising = first.windows(2).filter(|b| longest(&b[0]) < longest(&b[1])).count();
        assert!((40..84).contains(&rising), "{rising} of {batches}");
    }

    #[test]
    fn equal_lengths_change_nothing() {
        let plain = Shuffled::new(20, 3, 1, 9).unwrap();
        let equal = Shuffled::new(20, 3, 1, 9).unwrap().by_lengths(vec![5; 20]);
        assert!((0..30).all(|number| plain.batch(number) == equal.batch(number)));
    }

    #[test]
    fn too_few_samples_are_refused_with_the_numbers() {
        let message = Shuffled::new(7, 4, 2, 1).unwrap_err().to_string();
        assert!(message.contains("7 samples") && message.contains("takes 8"), "{message}");
    }

    /// Checkpoints rely on this order: it must not change unnoticed.
    #[test]
    fn the_order_is_pinned() {
        assert_eq!(permutation(8, 42, "epoch order", 0), [7, 5, 4, 3, 6, 1, 0, 2]);
    }

    proptest! {
        #[test]
        fn an_order_is_a_permutation(len in 0usize..300, seed: u64, epoch in 0u64..5) {
            let mut order = permutation(len, seed, "epoch order", epoch);
            order.sort_unstable();
            prop_assert_eq!(order, (0..len).collect::<Vec<_>>());
        }
    }
}
