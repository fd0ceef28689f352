//! Several sequences that are stepped side by side, on one thread or more.
//!
//! Each thread has a part of the sequences and computes their whole step. The parts travel: they
//! are handed to their threads and come back with the logits, so nothing is shared but the weights,
//! and a thread that waits sleeps.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, ensure};

use crate::encoder::Inputs;
use crate::network::{Network, NetworkState};
use crate::slot::Slot;

/// A batch of sequences and their states.
#[derive(Debug)]
pub struct Engine {
    network: Arc<Network>,
    batch: usize,
    /// The first part is computed on the caller's thread.
    first: Box<Part>,
    workers: Vec<Worker>,
    /// (B, K).
    logits: Vec<f32>,
}

/// Some of the sequences.
#[derive(Debug)]
struct Part {
    /// Number of them.
    sequences: usize,
    state: NetworkState,
    logits: Vec<f32>,
}

/// A thread and its part, which the engine holds between steps.
#[derive(Debug)]
struct Worker {
    part: Option<Box<Part>>,
    way: Arc<Way>,
    thread: Option<JoinHandle<()>>,
}

/// Between the engine and a thread: what is to be stepped, and what has been.
#[derive(Debug)]
struct Way {
    there: Slot<Box<Part>>,
    back: Slot<Box<Part>>,
}

impl Engine {
    /// An engine for sequences before their first input.
    pub(crate) fn new(network: &Arc<Network>, batch: usize, threads: usize) -> Result<Self> {
        Self::with_state(network, batch, threads, |sequences| network.state(sequences))
    }

    fn with_state(
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
                sequences,
                state: state(sequences),
                logits: vec![0.0; sequences * network.outputs()],
            })
        };
        Ok(Self {
            network: network.clone(),
            batch,
            first: part(0),
            workers: (1..threads)
                .map(|i| Worker::start(network, part(i)))
                .collect::<Result<_>>()?,
            logits: vec![0.0; batch * network.outputs()],
        })
    }

    /// Number of sequences B.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Logits (B, K), row by row, after `codes` (B), the next input of every sequence: of the codes
    /// that follow, or of the classes. Does not allocate.
    ///
    /// # Errors
    /// If there is not one code for every sequence, a code is none of the model's, or the model
    /// gets values. The sequences stay where they were then.
    pub fn step(&mut self, codes: &[u32]) -> Result<&[f32]> {
        self.advance(Inputs::Codes(codes))
    }

    /// Logits (B, K), row by row, after `values` (B, features), the next input of every sequence
    /// row by row. Does not allocate.
    ///
    /// # Errors
    /// If there are not as many values, or the model gets codes. The sequences stay where they were
    /// then.
    pub fn step_values(&mut self, values: &[f32]) -> Result<&[f32]> {
        self.advance(Inputs::Values(values))
    }

    fn advance(&mut self, inputs: Inputs) -> Result<&[f32]> {
        let network = &self.network;
        network.encoder.check(inputs, self.batch)?;
        let mut rest = inputs;
        for part in parts(&mut self.first, &mut self.workers) {
            let (own, others) = rest.split_at(part.sequences * network.encoder.features());
            network.encode(own, &mut part.state);
            rest = others;
        }
        for worker in &mut self.workers {
            worker.send()?;
        }
        self.first.step(network);
        let (first, mut rest) = self.logits.split_at_mut(self.first.logits.len());
        first.copy_from_slice(&self.first.logits);
        for worker in &mut self.workers {
            rest = worker.receive(rest)?;
        }
        Ok(&self.logits)
    }

    /// Takes over the state that other code has computed after `position` inputs of every sequence:
    /// its tensors in the order described at [`crate::Model`], row by row. The N real states of a
    /// channel are the real parts of its N/2 complex ones and then their imaginary parts. The next
    /// step returns the logits after input `position` + 1.
    ///
    /// # Errors
    /// If the tensors are not those of the model's state for as many sequences. The sequences stay
    /// where they were then.
    pub fn load_state(&mut self, position: u64, tensors: &[Vec<f32>]) -> Result<()> {
        let (mut states, mut end) = (Vec::new(), 0);
        for part in parts(&mut self.first, &mut self.workers) {
            let start = end;
            end += part.sequences;
            states.push(self.network.loaded(position, tensors, self.batch, start..end)?);
        }
        for (part, state) in parts(&mut self.first, &mut self.workers).zip(states) {
            part.state = state;
        }
        Ok(())
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
        Self::with_state(&self.network, batch, threads(batch), state)
    }

    /// Goes back to before the first input of every sequence.
    pub fn reset(&mut self) {
        for part in parts(&mut self.first, &mut self.workers) {
            part.state = self.network.state(part.sequences);
        }
    }
}

/// All parts, in the order of their sequences, between steps.
fn parts<'a>(first: &'a mut Part, workers: &'a mut [Worker]) -> impl Iterator<Item = &'a mut Part> {
    [first].into_iter().chain(workers.iter_mut().filter_map(|worker| worker.part.as_deref_mut()))
}

/// Threads for `batch` sequences.
pub(crate) fn threads(batch: usize) -> usize {
    thread::available_parallelism().map_or(1, usize::from).min(batch.max(1))
}

impl Part {
    fn step(&mut self, network: &Network) {
        network.step(&mut self.state, &mut self.logits);
    }
}

impl Worker {
    fn start(network: &Arc<Network>, part: Box<Part>) -> Result<Self> {
        let network = network.clone();
        let way = Arc::new(Way { there: Slot::new(), back: Slot::new() });
        let end = End(way.clone());
        let work = move || {
            let End(way) = &end;
            while let Some(mut part) = way.there.take() {
                part.step(&network);
                way.back.put(part);
            }
        };
        let thread = thread::Builder::new()
            .name("s4-stream".to_owned())
            .spawn(work)
            .context("cannot start a thread")?;
        Ok(Self { part: Some(part), way, thread: Some(thread) })
    }

    /// Hands the thread its part.
    fn send(&mut self) -> Result<()> {
        self.way.there.put(self.part.take().context(LOST)?);
        Ok(())
    }

    /// Waits for the thread and copies its share of the logits; returns the rest of the slice.
    fn receive<'s>(&mut self, logits: &'s mut [f32]) -> Result<&'s mut [f32]> {
        let part = self.way.back.take().context(LOST)?;
        let (own, rest) = logits.split_at_mut(part.logits.len());
        own.copy_from_slice(&part.logits);
        self.part = Some(part);
        Ok(rest)
    }
}

/// A part does not come back if its thread has panicked, which none should.
const LOST: &str = "a thread of the engine has ended; make a new engine";

/// Held by a thread: nobody waits for one that has panicked.
struct End(Arc<Way>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.back.close();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.way.there.close();
        if let Some(thread) = self.thread.take() {
            // Its panic, if it ended in one, has been reported on standard error.
            let _ = thread.join();
        }
    }
}
