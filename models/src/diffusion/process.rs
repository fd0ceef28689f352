//! Noise added to sound, and taken away.

use anyhow::Result;
use s4_core::layer::Pass;
use tch::{Kind, Tensor};

use super::NoiseNetwork;
use super::schedule::Schedule;

/// √ᾱ x + √(1 - ᾱ) ε: sounds (B, 1, L) after `steps` (B) int64 of those with `alpha_bar` (T) float64,
/// with noise (B, 1, L).
pub fn diffuse(x: &Tensor, noise: &Tensor, steps: &Tensor, alpha_bar: &Tensor) -> Tensor {
    let alpha_bar = alpha_bar.index_select(0, steps).view([-1, 1, 1]);
    let sound = alpha_bar.sqrt().to_kind(x.kind());
    let noisy = (-alpha_bar + 1.0).sqrt().to_kind(x.kind());
    x * sound + noise * noisy
}

/// Mean square error of the noise that the network finds in each sound, (B); the rest as in
/// [`diffuse`].
///
/// # Errors
/// If the input does not fit the network.
pub fn errors(
    network: &NoiseNetwork,
    alpha_bar: &Tensor,
    x: &Tensor,
    noise: &Tensor,
    steps: &Tensor,
    mel: Option<&Tensor>,
    pass: &Pass,
) -> Result<Tensor> {
    let found = network.forward(&diffuse(x, noise, steps, alpha_bar), steps, mel, pass)?;
    Ok((found - noise).square().mean_dim([1i64, 2].as_slice(), false, None))
}

/// The way back from noise x (B, 1, L), one step after the other.
#[derive(Debug)]
pub struct Reverse<'a> {
    network: &'a NoiseNetwork,
    schedule: &'a Schedule,
    mel: Option<Tensor>,
    x: Tensor,
    left: usize,
}

impl<'a> Reverse<'a> {
    /// Begins with `x`; `mel` (B, M, F) where the network is conditioned.
    pub fn new(
        network: &'a NoiseNetwork,
        schedule: &'a Schedule,
        x: Tensor,
        mel: Option<Tensor>,
    ) -> Self {
        Self { network, schedule, mel, x, left: schedule.len() }
    }

    /// Steps that are left.
    pub fn left(&self) -> usize {
        self.left
    }

    /// What there is by now, (B, 1, L).
    pub fn sound(&self) -> &Tensor {
        &self.x
    }

    /// Makes a step, to which `noise` gives what it adds, (B, 1, L); not asked for at the last one.
    /// Returns the noise that the network found.
    ///
    /// # Errors
    /// If x does not fit the network, or no step is left.
    pub fn step(&mut self, noise: impl FnOnce() -> Result<Tensor>) -> Result<Tensor> {
        let _guard = tch::no_grad_guard();
        anyhow::ensure!(self.left > 0, "the way back is at its end");
        let (t, schedule) = (self.left - 1, self.schedule);
        let options = (Kind::Double, self.x.device());
        let steps = Tensor::full([self.x.size()[0]], schedule.steps[t], options);
        let found = self.network.forward(&self.x, &steps, self.mel.as_ref(), &Pass::eval())?;
        let beta = schedule.beta[t];
        let share = beta / (1.0 - schedule.alpha_bar[t]).sqrt();
        let mut x = (&self.x - &found * share) / (1.0 - beta).sqrt();
        if t > 0 {
            x += noise()? * schedule.sigma(t);
        }
        self.x = x;
        self.left = t;
        Ok(found)
    }
}
