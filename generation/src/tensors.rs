//! Steps by libtorch, on any device.

use anyhow::{Context, Result};
use models::{Network, NetworkStepper};
use s4_core::layer::State;
use s4_core::recurrence::StepMode;
use tch::{Device, Kind, Tensor};

use super::Scores;
use super::prefill::{Prefill, prefill};

/// Several equal sequences, to be continued in different ways.
#[derive(Debug)]
pub struct Tensors<'a> {
    stepper: NetworkStepper<'a>,
    device: Device,
    state: State,
}

impl<'a> Tensors<'a> {
    /// `batch` sequences that begin with `codes` (at least one), which go through the model by
    /// convolution; and the scores of what follows, (B, K) row by row.
    ///
    /// # Errors
    /// If the model is bidirectional.
    pub fn after(model: &'a Network, codes: &[u32], batch: usize) -> Result<(Self, Vec<f32>)> {
        let _guard = tch::no_grad_guard();
        let stepper = model.stepper(StepMode::Linear, 1.0)?;
        let codes = upload(codes, model.device())?.unsqueeze(0); // (1, L)
        let Prefill { position, mut state, mut scores } = prefill(model, &codes)?;
        for at in position as i64..codes.size()[1] {
            let next;
            (next, state) = stepper.step(&codes.select(1, at), &state)?;
            scores = Some(next);
        }
        let scores = download(&scores.context("there is nothing to continue: no codes")?)?;
        let state = models::repeated(&state, batch as i64);
        Ok((Self { stepper, device: model.device(), state }, scores.repeat(batch)))
    }

    /// The largest root mean square of a part of the state: it stays bounded where the recurrence
    /// is stable.
    pub fn state_level(&self) -> f64 {
        let _guard = tch::no_grad_guard();
        models::level(&self.state)
    }
}

impl Scores for Tensors<'_> {
    fn advance(&mut self, codes: &[u32]) -> Result<Vec<f32>> {
        let _guard = tch::no_grad_guard();
        let codes = upload(codes, self.device)?;
        let (scores, next) = self.stepper.step(&codes, &self.state)?;
        self.state = next;
        download(&scores)
    }
}

pub(crate) fn upload(codes: &[u32], device: Device) -> Result<Tensor> {
    let codes: Vec<i64> = codes.iter().map(|&code| code.into()).collect();
    Ok(Tensor::f_from_slice(&codes)?.f_to_device(device)?)
}

/// The numbers of `tensor`, row by row.
pub(crate) fn download(tensor: &Tensor) -> Result<Vec<f32>> {
    let numbers = tensor.f_to_device(Device::Cpu)?.to_kind(Kind::Float).contiguous();
    Ok(Vec::try_from(numbers.view([-1]))?)
}
