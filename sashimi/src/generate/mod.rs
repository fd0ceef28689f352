//! New audio, code by code, with a state of constant size.

pub mod agreement;
pub mod sampling;

use anyhow::{Result, ensure};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use s4_core::layer::Pass;
use s4_core::recurrence::StepMode;
use tch::{Device, Kind, Tensor};
use training::seed;

use crate::model::{CodeModel, CodeStepper, SashimiState};
use sampling::Sampling;

/// Codes that are prefilled in one convolution.
const PREFILL: usize = 16_384;

/// Several sequences that are continued side by side.
///
/// A sequence follows from (seed, its number) alone, whatever is generated beside it.
#[derive(Debug)]
pub struct Generator<'a> {
    stepper: CodeStepper<'a>,
    state: SashimiState,
    /// Scores of the next codes, (B, K).
    scores: Tensor,
    sampling: Sampling,
    rngs: Vec<ChaCha8Rng>,
}

impl<'a> Generator<'a> {
    /// Gets ready to continue `prefix`, which follows the code `start`, in the ways numbered
    /// `numbers`. The prefix goes through the model by convolution.
    ///
    /// # Errors
    /// If a setting is out of range or the model is bidirectional.
    pub fn new(
        model: &'a CodeModel,
        start: u16,
        prefix: &[u16],
        sampling: Sampling,
        seed: u64,
        numbers: std::ops::Range<u64>,
    ) -> Result<Self> {
        sampling.validate()?;
        ensure!(!numbers.is_empty(), "there is nothing to generate: the number of sequences is 0");
        let _guard = tch::no_grad_guard();
        let stepper = model.stepper(StepMode::Linear)?;
        let mut state = model.default_state(1)?;
        let codes: Vec<i64> =
            std::iter::once(start).chain(prefix.iter().copied()).map(i64::from).collect();
        let device = stepper.device();
        let codes = Tensor::f_from_slice(&codes)?.f_to_device(device)?.unsqueeze(0); // (1, L)
        let len = codes.size()[1];
        let stride = model.stride();
        let whole = len / stride * stride;
        let part = (PREFILL as i64 / stride).max(1) * stride;
        let mut scores = None;
        for at in (0..whole).step_by(part as usize) {
            let piece = codes.narrow(1, at, part.min(whole - at));
            let all = model.forward(&piece, Some(&mut state), &Pass::eval())?;
            scores = Some(all.select(1, all.size()[1] - 1));
        }
        for at in whole..len {
            scores = Some(stepper.step(&codes.select(1, at), &mut state));
        }
        let scores = scores.expect("there is at least the start");
        let batch = (numbers.end - numbers.start) as i64;
        state.repeat(batch);
        let rngs = numbers
            .map(|number| ChaCha8Rng::from_seed(seed::derive_bytes(seed, "generate", number)))
            .collect();
        Ok(Self { stepper, state, scores: scores.repeat([batch, 1]), sampling, rngs })
    }

    /// The next code of every sequence.
    ///
    /// # Errors
    /// If the model has diverged.
    pub fn next_codes(&mut self) -> Result<Vec<u16>> {
        let _guard = tch::no_grad_guard();
        let scores = self.scores.to_device(Device::Cpu).to_kind(Kind::Float).contiguous();
        let levels = scores.size()[1] as usize;
        let scores: Vec<f32> = Vec::try_from(scores.view([-1]))?;
        let mut codes = Vec::with_capacity(self.rngs.len());
        for (scores, rng) in scores.chunks_exact(levels).zip(&mut self.rngs) {
            codes.push(self.sampling.draw(scores, rng)? as u16);
        }
        let input: Vec<i64> = codes.iter().map(|&code| code.into()).collect();
        let input = Tensor::f_from_slice(&input)?.f_to_device(self.stepper.device())?;
        self.scores = self.stepper.step(&input, &mut self.state);
        Ok(codes)
    }

    /// The largest root mean square of a part of the state: it stays bounded where the recurrence
    /// is stable.
    pub fn state_level(&mut self) -> f64 {
        let _guard = tch::no_grad_guard();
        self.state.level()
    }
}
