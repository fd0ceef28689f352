//! Diffusion of sound (DiffWave, Kong et al. 2021) with SaShiMi or WaveNet as the network that finds
//! the noise in a noisy sound.
//!
//! [`schedule`] says how much noise there is at each step, [`process`] how it is added, what is
//! learned, and how it is taken away again. Tensors have the official code's names and shapes, but
//! for those of S4, which [`official`] translates.
//!
//! Shapes: B batch, H channels, L length in samples, E channels of the step's embedding, M bands and F
//! frames of a mel spectrogram.

mod embedding;
mod mel;
pub mod official;
pub mod process;
mod sashimi;
pub mod schedule;
mod wavenet;

use anyhow::{Result, ensure};
use s4_config::{NoiseBackbone, NoiseNetworkConfig};
use s4_core::layer::Pass;
use s4_core::layer::linear::Linear;
use s4_core::params::{Hyper, Scope};
use tch::{Device, Kind, Tensor};

use embedding::StepEmbedding;
pub use embedding::sinusoids;
use sashimi::NoiseSashimi;
use wavenet::NoiseWaveNet;

/// From a noisy sound, the number of its step and perhaps a mel spectrogram to the noise in it.
#[derive(Debug)]
pub struct NoiseNetwork {
    /// 1 to H.
    first: Linear,
    embedding: StepEmbedding,
    backbone: NoiseBody,
    /// Of what the backbone makes.
    last: [Linear; 2],
    stride: i64,
    bands: Option<i64>,
}

#[derive(Debug)]
enum NoiseBody {
    Sashimi(NoiseSashimi),
    WaveNet(NoiseWaveNet),
}

/// What every block is given beside its input.
#[derive(Debug)]
struct Given<'a> {
    /// The step, (B, E).
    step: &'a Tensor,
    /// The mel spectrogram, (B, M, F).
    mel: Option<&'a Tensor>,
    /// Samples L of the sound.
    len: i64,
    pass: &'a Pass,
}

/// A 1 x 1 convolution under weight norm.
fn pointwise(scope: &mut Scope, input: i64, output: i64) -> Result<Linear> {
    Linear::weight_normed_pointwise(scope, input, output, Hyper::NO_DECAY)
}

impl NoiseNetwork {
    /// Registers a fresh network; it finds no noise at all, as its last map is zero. Draws from tch's
    /// CPU generator.
    ///
    /// # Errors
    /// If the config is contradictory.
    pub fn new(scope: &mut Scope, config: &NoiseNetworkConfig) -> Result<Self> {
        config.validate()?;
        let (width, made) = match config.backbone {
            NoiseBackbone::Sashimi => (config.sashimi().d_model, config.sashimi().d_model),
            NoiseBackbone::WaveNet => (config.wavenet().channels, config.wavenet().skip),
        };
        let first = pointwise(&mut scope.sub("init_conv.0.conv"), 1, width)?;
        let (embedding, backbone) = match config.backbone {
            NoiseBackbone::Sashimi => {
                let embedding = StepEmbedding::new(scope, config)?;
                (embedding, NoiseBody::Sashimi(NoiseSashimi::new(scope, config)?))
            }
            NoiseBackbone::WaveNet => {
                let mut scope = scope.sub("residual_layer");
                let embedding = StepEmbedding::new(&mut scope, config)?;
                (embedding, NoiseBody::WaveNet(NoiseWaveNet::new(&mut scope, config)?))
            }
        };
        let last = [
            pointwise(&mut scope.sub("final_conv.0.conv"), made, made)?,
            Linear::zeros(&mut scope.sub("final_conv.2.conv"), made, 1, Hyper::NO_DECAY)?,
        ];
        let bands = config.mel.as_ref().map(|mel| mel.bands);
        Ok(Self { first, embedding, backbone, last, stride: config.stride(), bands })
    }

    /// The noise (B, 1, L) in `x` (B, 1, L) after the steps numbered `steps` (B), which count from 0
    /// and need not be whole; `mel` (B, M, F) where the network is conditioned, with F times its hop
    /// at least L.
    ///
    /// # Errors
    /// If the shapes do not fit the network or each other.
    pub fn forward(
        &self,
        x: &Tensor,
        steps: &Tensor,
        mel: Option<&Tensor>,
        pass: &Pass,
    ) -> Result<Tensor> {
        let shape = x.size();
        ensure!(
            shape.len() == 3 && shape[1] == 1 && shape[2] > 0 && shape[2] % self.stride == 0,
            "expected sound (batch, 1, length) with a length that is a multiple of {}, got {shape:?}",
            self.stride
        );
        let (batch, len) = (shape[0], shape[2]);
        ensure!(
            steps.size() == [batch],
            "expected a step for each of {batch} sounds, got {:?}",
            steps.size()
        );
        match (self.bands, mel.map(Tensor::size)) {
            (None, None) => {}
            (Some(bands), Some(shape)) => ensure!(
                shape.len() == 3 && shape[..2] == [batch, bands],
                "expected mel spectrograms ({batch}, {bands}, frames), got {shape:?}"
            ),
            (None, Some(_)) => anyhow::bail!("the network takes no mel spectrogram"),
            (Some(_), None) => anyhow::bail!("the network needs a mel spectrogram of each sound"),
        }
        let step = self.embedding.forward(steps);
        let given = Given { step: &step, mel, len, pass };
        let h = self.first.forward(x).relu();
        let y = match &self.backbone {
            NoiseBody::Sashimi(sashimi) => sashimi.forward(&h, &given)?,
            NoiseBody::WaveNet(wavenet) => wavenet.forward(&h, &given)?,
        };
        let [hidden, output] = &self.last;
        Ok(output.forward(&hidden.forward_in(&y, pass.dense).relu()))
    }

    /// Sounds are multiples of this many samples long.
    pub fn stride(&self) -> i64 {
        self.stride
    }

    /// Kind and device of inputs.
    pub fn options(&self) -> (Kind, Device) {
        self.first.options()
    }
}
