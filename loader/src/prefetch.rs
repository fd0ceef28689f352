//! Batches built ahead of the training loop on worker threads, delivered in order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::dataset::Dataset;
use crate::sampler::Sampler;
use program::{interrupt, panics};

/// Batches a worker may have ready beyond the one it is building.
const AHEAD: usize = 2;

/// How long after a batch could not be built it is tried once more.
const BEFORE_ANOTHER_TRY: Duration = Duration::from_secs(1);

/// The batches of a sampler from some number on, in order.
///
/// Worker `w` of `n` builds batches w, w + n, w + 2n, ... into a bounded channel of its own, and
/// the reader takes from the channels in turn: order needs no sorting, and memory is bounded by
/// n·(2 + 1) batches. Dropping it ends the workers.
pub struct Prefetch<B> {
    source: Source<B>,
    next: u64,
}

enum Source<B> {
    /// No workers: built when asked for.
    Inline(Box<dyn FnMut(u64) -> Option<Result<B>>>),
    Workers(VecDeque<Worker<B>>),
}

struct Worker<B> {
    batches: Option<Receiver<Result<B>>>,
    thread: Option<JoinHandle<()>>,
}

impl<B: Send + 'static> Prefetch<B> {
    /// Batches of `dataset` as `sampler` orders them, from number `first` on, built by `workers`
    /// threads (0: by the caller's).
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn new(
        dataset: Arc<dyn Dataset<Batch = B>>,
        sampler: Arc<dyn Sampler>,
        first: u64,
        workers: usize,
    ) -> Result<Self> {
        let source = if workers == 0 {
            Source::Inline(Box::new(move |number| build(&*dataset, &*sampler, number)))
        } else {
            let mut started = VecDeque::with_capacity(workers);
            for w in 0..workers as u64 {
                let (dataset, sampler) = (dataset.clone(), sampler.clone());
                let (sender, receiver) = sync_channel(AHEAD);
                let numbers = (first + w..).step_by(workers);
                let thread = thread::Builder::new()
                    .name(format!("data-{w}"))
                    .spawn(move || work(&*dataset, &*sampler, numbers, &sender))
                    .context("cannot start a data worker thread; lower `workers`")?;
                started.push_back(Worker { batches: Some(receiver), thread: Some(thread) });
            }
            Source::Workers(started)
        };
        Ok(Self { source, next: first })
    }
}

impl<B> Iterator for Prefetch<B> {
    type Item = Result<B>;

    fn next(&mut self) -> Option<Result<B>> {
        let number = self.next;
        self.next += 1;
        match &mut self.source {
            Source::Inline(build) => build(number),
            Source::Workers(workers) => {
                workers.rotate_left(1);
                let worker = workers.back().expect("there is at least one worker");
                // A worker whose channel is closed has come to the end of its numbers.
                worker.batches.as_ref()?.recv().ok()
            }
        }
    }
}

impl<B> Drop for Worker<B> {
    fn drop(&mut self) {
        // Without a reader the worker's next send fails, and it returns.
        self.batches = None;
        if let Some(thread) = self.thread.take() {
            // Panics of the data set were caught and delivered as errors.
            let _ = thread.join();
        }
    }
}

impl<B> Drop for Prefetch<B> {
    fn drop(&mut self) {
        // All channels are closed before the first thread is waited for.
        if let Source::Workers(workers) = &mut self.source {
            for worker in workers {
                worker.batches = None;
            }
        }
    }
}

fn work<B: Send + 'static>(
    dataset: &dyn Dataset<Batch = B>,
    sampler: &dyn Sampler,
    numbers: impl Iterator<Item = u64>,
    sender: &SyncSender<Result<B>>,
) {
    for number in numbers {
        let Some(batch) = build(dataset, sampler, number) else { return };
        if sender.send(batch).is_err() {
            return;
        }
    }
}

/// Batch `number`, or why it could not be built, naming the samples at fault.
fn build<B: Send + 'static>(
    dataset: &dyn Dataset<Batch = B>,
    sampler: &dyn Sampler,
    number: u64,
) -> Option<Result<B>> {
    let indices = sampler.batch(number)?;
    let built = guarded(dataset, &indices).or_else(|_| {
        // A network drive may be gone for a moment.
        pause();
        guarded(dataset, &indices)
    });
    Some(built.map_err(|error| {
        let culprit = indices.iter().find_map(|&i| Some((i, guarded(dataset, &[i]).err()?)));
        match culprit {
            Some((sample, error)) => {
                error.context(format!("sample {sample} ({})", sampler.describe(number)))
            }
            // Each sample is fine alone: they do not fit together.
            None => error.context(format!("samples {indices:?} ({})", sampler.describe(number))),
        }
    }))
}

/// Waits before another try, unless the program is to end.
fn pause() {
    let end = Instant::now() + BEFORE_ANOTHER_TRY;
    while Instant::now() < end && !interrupt::requested() {
        thread::sleep(Duration::from_millis(20));
    }
}

/// `dataset.batch(indices)` with panics turned into errors.
fn guarded<B: Send + 'static>(dataset: &dyn Dataset<Batch = B>, indices: &[usize]) -> Result<B> {
    panics::as_errors("reading it", || dataset.batch(indices))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use anyhow::bail;

    use super::*;
    use crate::sampler::{InOrder, Shuffled};

    /// Sample i is i; some are broken. Counts the batches built and the copies alive.
    struct Numbers {
        len: usize,
        broken: Option<usize>,
        panics: Option<usize>,
        built: AtomicUsize,
    }

    impl Numbers {
        fn new(len: usize) -> Self {
            Self { len, broken: None, panics: None, built: AtomicUsize::new(0) }
        }
    }

    impl Dataset for Numbers {
        type Batch = Vec<usize>;
        fn len(&self) -> usize {
            self.len
        }
        fn batch(&self, indices: &[usize]) -> Result<Vec<usize>> {
            self.built.fetch_add(1, Ordering::SeqCst);
            // Uneven work, so that workers overtake each other.
            thread::sleep(Duration::from_micros((indices[0] % 7) as u64 * 100));
            if indices.iter().any(|i| Some(*i) == self.panics) {
                panic!("index out of reach");
            }
            if indices.iter().any(|i| Some(*i) == self.broken) {
                bail!("bad header");
            }
            Ok(indices.to_vec())
        }
    }

    #[test]
    fn order_is_the_samplers_for_any_number_of_workers() {
        for workers in [0, 1, 2, 5] {
            let data = Arc::new(Numbers::new(50));
            let sampler = Arc::new(InOrder::new(50, 3));
            let all: Vec<usize> = Prefetch::new(data, sampler, 0, workers)
                .unwrap()
                .flat_map(|batch| batch.unwrap())
                .collect();
            assert_eq!(all, (0..50).collect::<Vec<_>>(), "{workers} workers");
        }
    }

    #[test]
    fn starting_in_the_middle_continues_the_same_sequence() {
        let sampler = Arc::new(Shuffled::new(20, 3, 1, 9).unwrap());
        let take = |first, count| -> Vec<Vec<usize>> {
            Prefetch::new(Arc::new(Numbers::new(20)), sampler.clone(), first, 3)
                .unwrap()
                .take(count)
                .map(Result::unwrap)
                .collect()
        };
        // Over two epoch boundaries.
        assert_eq!(take(0, 15)[4..], take(4, 11));
    }

    #[test]
    fn a_broken_sample_is_named() {
        for workers in [0, 2] {
            let data = Numbers { broken: Some(7), ..Numbers::new(20) };
            let results: Vec<_> =
                Prefetch::new(Arc::new(data), Arc::new(InOrder::new(20, 4)), 0, workers)
                    .unwrap()
                    .collect();
            let message = format!("{:#}", results[1].as_ref().unwrap_err());
            assert_eq!(message, "sample 7 (batch 2 of 5): bad header");
            assert!(results[2].is_ok(), "the other batches are still delivered");
        }
    }

    #[test]
    fn a_panicking_sample_is_an_error_that_names_it() {
        let data = Numbers { panics: Some(5), ..Numbers::new(8) };
        let results: Vec<_> =
            Prefetch::new(Arc::new(data), Arc::new(InOrder::new(8, 4)), 0, 2).unwrap().collect();
        let message = format!("{:#}", results[1].as_ref().unwrap_err());
        assert_eq!(message, "sample 5 (batch 2 of 2): reading it panicked: index out of reach");
    }

    #[test]
    fn an_early_exit_ends_the_workers_and_they_do_not_run_away() {
        let data = Arc::new(Numbers::new(1000));
        let mut prefetch =
            Prefetch::new(data.clone(), Arc::new(InOrder::new(1000, 1)), 0, 2).unwrap();
        prefetch.next();
        thread::sleep(Duration::from_millis(50));
        drop(prefetch);
        assert_eq!(Arc::strong_count(&data), 1, "a worker still holds the data set");
        assert!(data.built.load(Ordering::SeqCst) <= 1 + 2 * (AHEAD + 1));
    }
}
