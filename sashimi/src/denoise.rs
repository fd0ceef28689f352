//! New sound out of noise.

use anyhow::{Result, ensure};
use dsp::mel::Mel;
use models::diffusion::NoiseNetwork;
use models::diffusion::process::Reverse;
use models::diffusion::schedule::Schedule;
use program::interrupt;
use program::seed::derive;
use tch::{Device, Kind, Tensor};

/// Standard normal noise (1, `len`) of the sound numbered `number` at a step, float32 on the CPU: the
/// same whatever is made beside it. Seeds tch's generator.
pub fn noise(seed: u64, number: u64, step: u64, len: i64) -> Tensor {
    tch::manual_seed(derive(derive(seed, "noise", number), "noise", step) as i64);
    Tensor::randn([1, len], (Kind::Float, Device::Cpu))
}

/// A network and the way back from noise.
#[derive(Debug, Clone, Copy)]
pub struct Denoiser<'a> {
    /// Finds the noise.
    pub network: &'a NoiseNetwork,
    /// The steps that are made.
    pub schedule: &'a Schedule,
}

impl<'a> Denoiser<'a> {
    /// The beginning of the sounds numbered `numbers`, `samples` long each; `mel` (B, M, F) of what
    /// they are to sound like, where the network is conditioned.
    ///
    /// # Errors
    /// If the device fails.
    pub fn begin(
        &self,
        seed: u64,
        numbers: &[u64],
        samples: usize,
        mel: Option<Tensor>,
    ) -> Result<Sounds<'a>> {
        let stride = self.network.stride() as usize;
        let padded = (samples.div_ceil(stride) * stride) as i64;
        let numbers = numbers.to_vec();
        let x = draw(seed, &numbers, self.schedule.len(), padded, self.network)?;
        let reverse = Reverse::new(self.network, self.schedule, x, mel);
        Ok(Sounds { reverse, network: self.network, seed, numbers, padded, samples })
    }

    /// The beginning of a sound with the mel spectrogram of `sound`, and as long.
    ///
    /// # Errors
    /// If it is too short for a spectrogram, or the device fails.
    pub fn begin_like(&self, seed: u64, sound: &[f32], mel: &Mel) -> Result<Sounds<'a>> {
        let stride = self.network.stride() as usize;
        let mut padded = sound.to_vec();
        padded.resize(sound.len().div_ceil(stride) * stride, 0.0);
        let frames = mel.frames(padded.len()) as i64;
        let (kind, device) = self.network.options();
        let rows = Tensor::f_from_slice(&mel.spectrogram(&padded)?)?.f_view([1, -1, frames])?;
        let rows = rows.f_to_kind(kind)?.f_to_device(device)?;
        self.begin(seed, &[0], sound.len(), Some(rows))
    }
}

/// Several sounds on their way out of noise.
#[derive(Debug)]
pub struct Sounds<'a> {
    reverse: Reverse<'a>,
    network: &'a NoiseNetwork,
    seed: u64,
    numbers: Vec<u64>,
    /// Samples that the network is given: whole groups of pooled positions.
    padded: i64,
    samples: usize,
}

impl Sounds<'_> {
    /// Steps that are left.
    pub fn left(&self) -> usize {
        self.reverse.left()
    }

    /// Makes all steps.
    ///
    /// # Errors
    /// If the network cannot compute one, or the user interrupts.
    pub fn finish(mut self) -> Result<Vec<Vec<f32>>> {
        while self.left() > 0 {
            interrupt::check()?;
            self.step()?;
        }
        self.samples()
    }

    /// Makes a step.
    ///
    /// # Errors
    /// If the network cannot compute it.
    pub fn step(&mut self) -> Result<()> {
        let Self { reverse, network, seed, numbers, padded, .. } = self;
        let step = reverse.left() - 1;
        let _ = reverse.step(|| draw(*seed, numbers, step, *padded, network))?;
        Ok(())
    }

    /// The samples of each sound.
    ///
    /// # Errors
    /// If the model has diverged.
    pub fn samples(&self) -> Result<Vec<Vec<f32>>> {
        let sounds = self.reverse.sound().squeeze_dim(1).narrow(1, 0, self.samples as i64);
        let sounds = sounds.f_to_device(Device::Cpu)?.to_kind(Kind::Float).contiguous();
        ensure!(
            sounds.isfinite().all().int64_value(&[]) == 1,
            "the sound is NaN or infinite: the model's weights are damaged or have diverged"
        );
        sounds.unbind(0).iter().map(|sound| Ok(Vec::try_from(sound)?)).collect()
    }
}

/// (B, 1, `len`) as the network wants it.
fn draw(
    seed: u64,
    numbers: &[u64],
    step: usize,
    len: i64,
    network: &NoiseNetwork,
) -> Result<Tensor> {
    let rows: Vec<Tensor> =
        numbers.iter().map(|&number| noise(seed, number, step as u64, len)).collect();
    let (kind, device) = network.options();
    Ok(Tensor::f_stack(&rows, 0)?.f_to_device(device)?.f_to_kind(kind)?)
}
