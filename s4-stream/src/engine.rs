//! Several sequences that are stepped side by side, on one thread or more.
//!
//! Each thread has a part of the sequences and computes their whole step. The parts travel: they
//! are sent to their threads and come back with the scores, so nothing is shared but the weights,
//! and a thread that waits sleeps.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, ensure};

use crate::model::{Network, NetworkState};

/// A batch of sequences and their states.
#[derive(Debug)]
pub struct Engine {
    network: Arc<Network>,
    batch: usize,
    /// The first part is computed on the caller's thread.
    first: Box<Part>,
    workers: Vec<Worker>,
    /// (B, K).
    scores: Vec<f32>,
}

/// Some of the sequences.
#[derive(Debug)]
struct Part {
    state: NetworkState,
    codes: Vec<u16>,
    scores: Vec<f32>,
}

/// A thread and its part, which is at home between steps.
#[derive(Debug)]
struct Worker {
    part: Option<Box<Part>>,
    /// Absent once the thread is to end.
    there: Option<SyncSender<Box<Part>>>,
    back: Receiver<Box<Part>>,
    thread: Option<JoinHandle<()>>,
}

impl Engine {
    pub(crate) fn new(
        network: &Arc<Network>,
        batch: usize,
        threads: usize,
        state: impl Fn(usize) -> NetworkState,
    ) -> Result<Self> {
        ensure!(batch > 0, "there is nothing to step: the batch is 0");
        ensure!(
            (1..=batch).contains(&threads),
            "{batch} sequences are stepped on 1 to {batch} threads, not {threads}"
        );
        let part = |i: usize| {
            let sequences = (i + 1) * batch / threads - i * batch / threads;
            Box::new(Part {
                state: state(sequences),
                codes: vec![0; sequences],
                scores: vec![0.0; sequences * network.levels],
            })
        };
        Ok(Self {
            network: network.clone(),
            batch,
            first: part(0),
            workers: (1..threads)
                .map(|i| Worker::start(network, part(i)))
                .collect::<Result<_>>()?,
            scores: vec![0.0; batch * network.levels],
        })
    }

    /// Number of sequences B.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Scores (B, K), row by row, of the codes that follow `codes` (B). They are logarithms of
    /// unnormalised probabilities. Does not allocate.
    ///
    /// # Errors
    /// If there is not one code for every sequence, or a code is not below K. The sequences stay
    /// where they were then.
    pub fn step(&mut self, codes: &[u16]) -> Result<&[f32]> {
        let levels = self.network.levels;
        ensure!(
            codes.len() == self.batch,
            "{} sequences need as many codes, got {}",
            self.batch,
            codes.len()
        );
        if let Some(code) = codes.iter().find(|&&code| usize::from(code) >= levels) {
            anyhow::bail!("the model has codes below {levels}, got {code}");
        }
        let (first, mut rest) = codes.split_at(self.first.codes.len());
        self.first.codes.copy_from_slice(first);
        for worker in &mut self.workers {
            rest = worker.send(rest)?;
        }
        self.first.step(&self.network);
        let (first, mut rest) = self.scores.split_at_mut(self.first.scores.len());
        first.copy_from_slice(&self.first.scores);
        for worker in &mut self.workers {
            rest = worker.receive(rest)?;
        }
        Ok(&self.scores)
    }

    /// An engine for `batch` sequences that all stand where the only one of this engine stands, on
    /// as many threads as there are processors: a beginning that is continued in several ways goes
    /// through the model once.
    ///
    /// # Errors
    /// If this engine has more than one sequence, `batch` is 0, or a thread cannot be started.
    pub fn repeat(&self, batch: usize) -> Result<Self> {
        ensure!(
            self.batch == 1,
            "the state of one sequence can be repeated; this engine has {}",
            self.batch
        );
        let state = |sequences| self.network.repeated(&self.first.state, sequences);
        Self::new(&self.network, batch, threads(batch), state)
    }

    /// Goes back to before the first code of every sequence.
    pub fn reset(&mut self) {
        let parts = self.workers.iter_mut().filter_map(|worker| worker.part.as_mut());
        parts.chain([&mut self.first]).for_each(|part| part.state.reset());
    }
}

/// Threads for `batch` sequences.
pub(crate) fn threads(batch: usize) -> usize {
    thread::available_parallelism().map_or(1, usize::from).min(batch.max(1))
}

impl Part {
    fn step(&mut self, network: &Network) {
        network.step(&self.codes, &mut self.state, &mut self.scores);
    }
}

impl Worker {
    fn start(network: &Arc<Network>, part: Box<Part>) -> Result<Self> {
        let network = network.clone();
        let (there, parts) = sync_channel::<Box<Part>>(1);
        let (done, back) = sync_channel(1);
        let work = move || {
            for mut part in parts {
                part.step(&network);
                if done.send(part).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new()
            .name("s4-stream".to_owned())
            .spawn(work)
            .context("cannot start a thread")?;
        Ok(Self { part: Some(part), there: Some(there), back, thread: Some(thread) })
    }

    /// Hands the thread its share of `codes`; gives the others.
    fn send<'c>(&mut self, codes: &'c [u16]) -> Result<&'c [u16]> {
        let mut part = self.part.take().context(LOST)?;
        let (own, rest) = codes.split_at(part.codes.len());
        part.codes.copy_from_slice(own);
        self.there.as_ref().context(LOST)?.send(part).ok().context(LOST)?;
        Ok(rest)
    }

    /// Waits for the thread and copies its share of the scores; gives the room for the others.
    fn receive<'s>(&mut self, scores: &'s mut [f32]) -> Result<&'s mut [f32]> {
        let part = self.back.recv().context(LOST)?;
        let (own, rest) = scores.split_at_mut(part.scores.len());
        own.copy_from_slice(&part.scores);
        self.part = Some(part);
        Ok(rest)
    }
}

/// A part does not come back if its thread has panicked, which none should.
const LOST: &str = "a thread of the engine has ended; make a new engine";

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.there.take());
        if let Some(thread) = self.thread.take() {
            // Its panic, if it ended in one, has been reported on standard error.
            let _ = thread.join();
        }
    }
}
