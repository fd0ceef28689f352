//! New sequences of a model that predicts the next code: code by code, with a state of constant size.
//! A code is a level of sound, a letter, a word or a value of a pixel.

pub mod agreement;
mod prefill;
pub mod sampling;
pub mod stream;
pub mod tensors;

use anyhow::{Result, ensure};
use models::Network;
use program::seed;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use s4_stream::Model;

use sampling::Sampling;
use tensors::Tensors;

/// Several sequences that a model continues step by step.
pub trait Scores {
    /// Appends one code to every sequence; returns the logits of what follows, (B, K) row by row.
    ///
    /// # Errors
    /// If the model cannot compute them.
    fn advance(&mut self, codes: &[u32]) -> Result<Vec<f32>>;
}

impl<S: Scores + ?Sized> Scores for Box<S> {
    fn advance(&mut self, codes: &[u32]) -> Result<Vec<f32>> {
        (**self).advance(codes)
    }
}

/// What continues `batch` sequences that begin with `codes` (at least one), and the scores of what
/// follows, (B, K) row by row: the engine, where there is one.
///
/// # Errors
/// If the model cannot compute them.
pub fn after<'a>(
    model: &'a Network,
    engine: Option<&Model>,
    codes: &[u32],
    batch: usize,
) -> Result<(Box<dyn Scores + 'a>, Vec<f32>)> {
    Ok(match engine {
        Some(engine) => {
            let (engine, scores) = stream::after(model, engine, codes, batch)?;
            (Box::new(engine), scores)
        }
        None => {
            let (tensors, scores) = Tensors::after(model, codes, batch)?;
            (Box::new(tensors), scores)
        }
    })
}

/// Draws the continuations of several equal sequences.
///
/// A sequence follows from (seed, its number) alone, whatever is generated beside it.
#[derive(Debug)]
pub struct Generator<S> {
    source: S,
    /// Scores of the next codes, (B, K) row by row.
    scores: Vec<f32>,
    sampling: Sampling,
    rngs: Vec<ChaCha8Rng>,
}

impl<S: Scores> Generator<S> {
    /// Continues the sequences of `source`, whose next codes have these `scores`, in the ways
    /// numbered `numbers`.
    ///
    /// # Errors
    /// If a setting is out of range.
    pub fn new(
        (source, scores): (S, Vec<f32>),
        sampling: Sampling,
        seed: u64,
        numbers: std::ops::Range<u64>,
    ) -> Result<Self> {
        sampling.validate()?;
        ensure!(!numbers.is_empty(), "there is nothing to generate: the number of sequences is 0");
        let rngs = numbers
            .map(|number| ChaCha8Rng::from_seed(seed::derive_bytes(seed, "generate", number)))
            .collect();
        Ok(Self { source, scores, sampling, rngs })
    }

    /// The next code of every sequence.
    ///
    /// # Errors
    /// If the model has diverged.
    pub fn next_codes(&mut self) -> Result<Vec<u32>> {
        let levels = self.scores.len() / self.rngs.len();
        let mut codes = Vec::with_capacity(self.rngs.len());
        for (scores, rng) in self.scores.chunks_exact(levels).zip(&mut self.rngs) {
            codes.push(self.sampling.draw(scores, rng)? as u32);
        }
        self.scores = self.source.advance(&codes)?;
        Ok(codes)
    }

    /// What computes the scores.
    pub fn source(&mut self) -> &mut S {
        &mut self.source
    }
}
