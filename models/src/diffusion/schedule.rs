//! How much noise there is at each step.

use anyhow::{Result, ensure};
use s4_config::DiffusionConfig;
use tch::{Device, Tensor};

/// Steps from sound to noise, or a few of them for the way back. Steps count from 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// Variance β of the noise that each step adds.
    pub beta: Vec<f64>,
    /// ᾱ, the product of 1 - β up to a step: what is left of the sound's power.
    pub alpha_bar: Vec<f64>,
    /// The number by which the network knows each step.
    pub steps: Vec<f64>,
}

impl Schedule {
    /// The T steps of training.
    pub fn training(config: &DiffusionConfig) -> Self {
        let (first, last) = (config.beta_first, config.beta_last);
        let slope = (last - first) / (config.steps - 1) as f64;
        Self::listed((0..config.steps).map(|t| first + slope * t as f64).collect())
    }

    /// Steps with this β, known by their place in the list.
    pub fn listed(beta: Vec<f64>) -> Self {
        let mut left = 1.0;
        let multiply = |beta: &f64| {
            left *= 1.0 - beta;
            left
        };
        let alpha_bar = beta.iter().map(multiply).collect();
        Self { steps: (0..beta.len()).map(|t| t as f64).collect(), alpha_bar, beta }
    }

    /// The fast way back of `config`.
    pub fn fast(config: &DiffusionConfig) -> Self {
        let fast = Self::listed(config.fast.clone());
        if config.aligned { fast.aligned(&Self::training(config)) } else { fast }
    }

    /// `count` of these steps, evenly taken, the last one among them: each as noisy as it was, under
    /// its own number.
    ///
    /// # Errors
    /// If there are not so many.
    pub fn evenly(&self, count: usize) -> Result<Self> {
        let total = self.beta.len();
        ensure!(
            (1..=total).contains(&count),
            "of {total} steps 1 to {total} can be taken, got {count}"
        );
        let chosen: Vec<usize> = (1..=count).map(|k| k * total / count - 1).collect();
        let alpha_bar: Vec<f64> = chosen.iter().map(|&t| self.alpha_bar[t]).collect();
        let before = std::iter::once(1.0).chain(alpha_bar.iter().copied());
        Ok(Self {
            beta: alpha_bar
                .iter()
                .zip(before)
                .map(|(after, before)| 1.0 - after / before)
                .collect(),
            steps: chosen.iter().map(|&t| self.steps[t]).collect(),
            alpha_bar,
        })
    }

    /// The same, with each step known by the number of the step of `training` that has as much noise,
    /// in between where none has (Kong et al. 2021, appendix B).
    fn aligned(self, training: &Self) -> Self {
        let roots: Vec<f64> = training.alpha_bar.iter().map(|x| x.sqrt()).collect();
        let place = |&alpha_bar: &f64| {
            let root = alpha_bar.sqrt();
            let after = roots.partition_point(|&x| x > root);
            if after == 0 || after == roots.len() {
                return after.min(roots.len() - 1) as f64;
            }
            let t = after - 1;
            t as f64 + (roots[t] - root) / (roots[t] - roots[after])
        };
        Self { steps: self.alpha_bar.iter().map(place).collect(), ..self }
    }

    /// Standard deviation σ of the noise that a step of the way back adds:
    /// σ² = β_t (1 - ᾱ_{t-1}) / (1 - ᾱ_t). Step 0 adds none.
    pub fn sigma(&self, t: usize) -> f64 {
        match t {
            0 => 0.0,
            _ => {
                let [before, now] = [self.alpha_bar[t - 1], self.alpha_bar[t]];
                (self.beta[t] * (1.0 - before) / (1.0 - now)).sqrt()
            }
        }
    }

    /// ᾱ as a tensor (T) float64 on `device`.
    ///
    /// # Errors
    /// If the device fails.
    pub fn to_device(&self, device: Device) -> Result<Tensor> {
        Ok(Tensor::f_from_slice(&self.alpha_bar)?.f_to_device(device)?)
    }

    /// Number of steps.
    #[expect(clippy::len_without_is_empty, reason = "it never is")]
    pub fn len(&self) -> usize {
        self.beta.len()
    }
}
