//! SaShiMi that finds noise (Goel et al. 2022, section 4.3): blocks of S4 that look both ways at
//! several resolutions, each told of the step and, in a vocoder, of the spectrogram.

use anyhow::Result;
use s4_config::{NoiseNetworkConfig, NoiseSashimiConfig, NormKind, S4BlockConfig};
use s4_core::layer::SequenceLayer;
use s4_core::layer::dropout::Dropout;
use s4_core::layer::linear::Linear;
use s4_core::layer::norm::Norm;
use s4_core::layer::s4_block::S4Block;
use s4_core::params::{Hyper, Scope};
use tch::Tensor;

use super::mel::MelCondition;
use super::{Given, pointwise};
use crate::sashimi::pool::{DownPool, UpPool};

/// (B, H, L) to (B, H, L).
///
/// Tensors: `d_layers.{i}.*` on the way down, `c_layers.{i}.*` in the middle, `u_layers.{i}.*` on the
/// way up, `norm.*`.
#[derive(Debug)]
pub(super) struct NoiseSashimi {
    stage: Stage,
    norm: Norm,
}

/// A part of the network from some resolution inwards.
#[derive(Debug)]
enum Stage {
    /// The coarsest resolution.
    Centre(Vec<Block>),
    /// A finer one.
    Level(Box<Level>),
}

/// One resolution and everything coarser.
#[derive(Debug)]
struct Level {
    /// Blocks before the pooling; none unless the network is a U-Net.
    down: Vec<Block>,
    pool: DownPool,
    inner: Stage,
    unpool: UpPool,
    up: Vec<Block>,
}

impl NoiseSashimi {
    pub(super) fn new(scope: &mut Scope, config: &NoiseNetworkConfig) -> Result<Self> {
        let sizes = config.sashimi();
        let mut builder = Builder { config, sizes: &sizes, down: 0, up: 0 };
        let stage = builder.stage(scope, sizes.d_model, 1, &sizes.pool)?;
        Ok(Self { stage, norm: norm(scope, "norm", sizes.d_model)? })
    }

    pub(super) fn forward(&self, x: &Tensor, given: &Given) -> Result<Tensor> {
        Ok(self.norm.forward(&self.stage.forward(x, given)?, given.pass.train))
    }
}

impl Stage {
    fn forward(&self, x: &Tensor, given: &Given) -> Result<Tensor> {
        let level = match self {
            Stage::Level(level) => level,
            Stage::Centre(blocks) => {
                let mut y = x.shallow_clone();
                for block in blocks {
                    y = block.forward(&y, given)?;
                }
                return Ok(y + x);
            }
        };
        let mut skips = vec![x.shallow_clone()];
        for (i, block) in level.down.iter().enumerate() {
            skips.push(block.forward(&skips[i], given)?);
        }
        let fine = skips.pop().expect("x at least");
        let dense = given.pass.dense;
        let coarse = level.inner.forward(&level.pool.forward(&fine, dense), given)?;
        let mut y = level.unpool.forward(&coarse, None, dense) + fine;
        for block in &level.up {
            y = block.forward(&y, given)?;
            if let Some(skip) = skips.pop() {
                y = y.g_add(&skip);
            }
        }
        Ok(y)
    }
}

/// Makes the stages in the order in which the official code numbers them.
struct Builder<'a> {
    config: &'a NoiseNetworkConfig,
    sizes: &'a NoiseSashimiConfig,
    /// Layers made on the way down.
    down: usize,
    /// Layers made on the way up.
    up: usize,
}

impl Builder<'_> {
    /// The stage of `width` channels in which `stride` samples are one position.
    fn stage(&mut self, scope: &mut Scope, width: i64, stride: i64, pool: &[i64]) -> Result<Stage> {
        let Some((&factor, coarser)) = pool.split_first() else {
            return Ok(Stage::Centre(self.blocks(&mut scope.sub("c_layers"), 0, width, stride)?));
        };
        let inner_width = width * self.sizes.expand;
        let down = if self.sizes.unet {
            self.blocks(&mut scope.sub("d_layers"), self.down, width, stride)?
        } else {
            Vec::new()
        };
        self.down += down.len();
        let mut place = scope.sub(format_args!("d_layers.{}.linear.conv", self.down));
        let pool = DownPool { linear: pointwise(&mut place, width * factor, inner_width)?, factor };
        self.down += 1;
        let inner = self.stage(scope, inner_width, stride * factor, coarser)?;
        let mut place = scope.sub(format_args!("u_layers.{}.linear.conv", self.up));
        let linear = pointwise(&mut place, inner_width, width * factor)?;
        let unpool = UpPool { linear, output: width, factor, late: false };
        let up = self.blocks(&mut scope.sub("u_layers"), self.up + 1, width, stride)?;
        self.up += 1 + up.len();
        Ok(Stage::Level(Box::new(Level { down, pool, inner, unpool, up })))
    }

    /// `n_layers` blocks, numbered from `first`.
    fn blocks(
        &self,
        scope: &mut Scope,
        first: usize,
        width: i64,
        stride: i64,
    ) -> Result<Vec<Block>> {
        let block = |i| Block::new(&mut scope.sub(first + i), self.config, width, stride);
        (0..self.sizes.n_layers as usize).map(block).collect()
    }
}

/// S4 and a feed-forward network, each behind a norm and in a residual sum.
#[derive(Debug)]
struct Block {
    norms: [Norm; 2],
    step: Linear,
    s4: S4Block,
    mel: Option<MelCondition>,
    ff: [Linear; 2],
    /// Samples in a position.
    stride: i64,
}

impl Block {
    fn new(
        scope: &mut Scope,
        config: &NoiseNetworkConfig,
        width: i64,
        stride: i64,
    ) -> Result<Self> {
        let NoiseSashimiConfig { ssm, ff, .. } = config.sashimi();
        let s4 = S4BlockConfig { bidirectional: true, ssm, ..S4BlockConfig::default() };
        let no_dropout = Dropout { p: 0.0, tied: true };
        let [_, embedding] = config.hidden;
        Ok(Self {
            step: Linear::new(&mut scope.sub("fc_t"), embedding, width, Hyper::NO_DECAY)?,
            s4: S4Block::new(scope, width, &s4, no_dropout)?,
            ff: [
                pointwise(&mut scope.sub("ff.ff.0.conv"), width, ff * width)?,
                pointwise(&mut scope.sub("ff.ff.2.conv"), ff * width, width)?,
            ],
            norms: [norm(scope, "norm1", width)?, norm(scope, "norm2", width)?],
            mel: match &config.mel {
                None => None,
                Some(mel) => Some(MelCondition::new(scope, mel, width)?),
            },
            stride,
        })
    }

    fn forward(&self, x: &Tensor, given: &Given) -> Result<Tensor> {
        let (pass, [norm1, norm2]) = (given.pass, &self.norms);
        let told = norm1.forward(x, pass.train) + self.step.step(given.step).unsqueeze(-1);
        let mut x = x + self.s4.forward(&told, pass)?;
        if let (Some(condition), Some(mel)) = (&self.mel, given.mel) {
            x = x.g_add(&condition.forward(mel, self.stride, given)?);
        }
        let [inner, outer] = &self.ff;
        let hidden = inner.forward_in(&norm2.forward(&x, pass.train), pass.dense).gelu("none");
        Ok(x + outer.forward_in(&hidden, pass.dense))
    }
}

fn norm(scope: &mut Scope, name: &str, width: i64) -> Result<Norm> {
    Norm::new(&mut scope.sub(name), NormKind::Scalar, width, Hyper::NO_DECAY)
}
