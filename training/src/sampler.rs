//! Which samples make up which batch.

use std::sync::{Arc, Mutex};

use anyhow::{Result, ensure};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::seed;

/// The batches of a pass or of many, numbered from 0.
pub trait Sampler: Send + Sync {
    /// Samples of batch `number`; `None` past the end.
    fn batch(&self, number: u64) -> Option<Vec<usize>>;

    /// The batch in words, for messages.
    fn describe(&self, number: u64) -> String;
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

    /// Number of batches.
    pub fn batches(&self) -> u64 {
        self.len.div_ceil(self.batch_size) as u64
    }
}

impl Sampler for InOrder {
    fn batch(&self, number: u64) -> Option<Vec<usize>> {
        let first = usize::try_from(number).ok()?.checked_mul(self.batch_size)?;
        let last = first.saturating_add(self.batch_size).min(self.len);
        (first < last).then(|| (first..last).collect())
    }

    fn describe(&self, number: u64) -> String {
        format!("batch {} of {}", number + 1, self.batches())
    }
}

/// Endless shuffled epochs for training; batches are numbered through all of them.
///
/// The order of an epoch depends on (seed, epoch) alone, so the batch number is all a checkpoint
/// has to keep. Samples that do not fill the last group of batches of an epoch are left out, as
/// the official code does.
#[derive(Debug)]
pub struct Shuffled {
    len: usize,
    batch_size: usize,
    batches_per_epoch: u64,
    seed: u64,
    /// Orders in use: workers that build ahead may be an epoch further than the slowest.
    orders: Mutex<Vec<(u64, Arc<[usize]>)>>,
}

impl Shuffled {
    /// `len` samples in batches of `batch_size`. The number of batches in an epoch is a multiple
    /// of `group`, the number of batches that make one optimiser step.
    ///
    /// # Errors
    /// If there are not enough samples for one group.
    pub fn new(len: usize, batch_size: usize, group: usize, seed: u64) -> Result<Self> {
        ensure!(batch_size > 0 && group > 0, "batch size and accumulation must be at least 1");
        let groups = len / batch_size / group;
        ensure!(
            groups > 0,
            "the training split has {len} samples, but one step takes {} (batch_size {batch_size} \
             x accumulate {group}); lower them or use more data",
            batch_size * group
        );
        let batches_per_epoch = (groups * group) as u64;
        Ok(Self { len, batch_size, batches_per_epoch, seed, orders: Mutex::default() })
    }

    /// Number of batches in an epoch.
    pub fn batches_per_epoch(&self) -> u64 {
        self.batches_per_epoch
    }

    fn order(&self, epoch: u64) -> Arc<[usize]> {
        let mut orders = self.orders.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some((_, order)) = orders.iter().find(|(known, _)| *known == epoch) {
            return order.clone();
        }
        let order: Arc<[usize]> = permutation(self.len, self.seed, epoch).into();
        orders.retain(|(known, _)| known + 1 >= epoch);
        orders.push((epoch, order.clone()));
        order
    }
}

impl Sampler for Shuffled {
    fn batch(&self, number: u64) -> Option<Vec<usize>> {
        let order = self.order(number / self.batches_per_epoch);
        let first = (number % self.batches_per_epoch) as usize * self.batch_size;
        Some(order[first..first + self.batch_size].to_vec())
    }

    fn describe(&self, number: u64) -> String {
        format!(
            "batch {} of {} in epoch {}",
            number % self.batches_per_epoch + 1,
            self.batches_per_epoch,
            number / self.batches_per_epoch + 1
        )
    }
}

/// The order of `epoch`: a Fisher-Yates shuffle driven by ChaCha8, whose stream is specified, so
/// that orders survive upgrades of the `rand` crates.
fn permutation(len: usize, seed: u64, epoch: u64) -> Vec<usize> {
    let mut rng = ChaCha8Rng::from_seed(seed::derive_bytes(seed, "epoch order", epoch));
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
        assert_eq!(sampler.batches(), 3);
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
    fn too_few_samples_are_refused_with_the_numbers() {
        let message = Shuffled::new(7, 4, 2, 1).unwrap_err().to_string();
        assert!(message.contains("7 samples") && message.contains("takes 8"), "{message}");
    }

    /// Checkpoints rely on this order: it must not change unnoticed.
    #[test]
    fn the_order_is_pinned() {
        assert_eq!(permutation(8, 42, 0), [7, 5, 4, 3, 6, 1, 0, 2]);
    }

    proptest! {
        #[test]
        fn an_order_is_a_permutation(len in 0usize..300, seed: u64, epoch in 0u64..5) {
            let mut order = permutation(len, seed, epoch);
            order.sort_unstable();
            prop_assert_eq!(order, (0..len).collect::<Vec<_>>());
        }
    }
}
