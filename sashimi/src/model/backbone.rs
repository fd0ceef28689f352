//! SaShiMi (Goel et al. 2022): S4 and feed-forward blocks at several resolutions.
//!
//! Shapes: B batch, H channels, L length.

use anyhow::{Context, Result, ensure};
use s4_config::{EncoderInit, NormKind, S4BlockConfig};
use s4_core::layer::dropout::Dropout;
use s4_core::layer::feed_forward::FeedForward;
use s4_core::layer::norm::Norm;
use s4_core::layer::residual::Residual;
use s4_core::layer::s4_block::S4Block;
use s4_core::layer::stack::enter;
use s4_core::layer::{Pass, SequenceLayer};
use s4_core::params::{Hyper, Scope};
use s4_core::recurrence::StepMode;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::pool::{DownPool, UpPool};
use super::stage::{Level, PlacedBlock, Stage, StageState};
use super::step::StageStepper;

/// The model without encoder and decoder: sequences (B, H, L) to sequences (B, H, L).
///
/// Tensors: `d_layers.{i}.*` on the way down, `c_layers.{i}.*` in the middle, `u_layers.{k}.{i}.*`
/// on the way up, `norm.*`.
#[derive(Debug)]
pub struct Sashimi {
    stage: Stage,
    norm: Norm,
    stride: i64,
}

/// What a causal model remembers between two parts of its sequences.
#[derive(Debug)]
pub struct SashimiState(StageState);

impl SashimiState {
    /// Cuts the state off from the computation that it came from: gradients stop here.
    pub fn detach(&mut self) {
        self.0.for_each(&mut |tensor| *tensor = tensor.detach());
    }

    /// Its tensors: at each resolution, from the finest inwards, the states (B, H, N) of the S4
    /// layers on the way down; the vectors (B, H) that wait to be pooled; those of the coarser
    /// resolutions; what they add to the present group of s positions, (B, H, s); the states of the
    /// S4 layers on the way up.
    pub fn tensors(&mut self) -> Vec<Tensor> {
        let mut tensors = Vec::new();
        self.0.for_each(&mut |tensor| tensors.push(tensor.shallow_clone()));
        tensors
    }

    /// The largest root mean square of any of its tensors.
    pub fn level(&mut self) -> f64 {
        let mut level = 0.0f64;
        self.0.for_each(&mut |tensor| {
            let mean = tensor.square().mean(Kind::Double).double_value(&[]);
            // NaN is a level, too: an infinite one.
            level = level.max(if mean.is_nan() { f64::INFINITY } else { mean.sqrt() });
        });
        level
    }

    /// Makes the state of one sequence that of `batch` equal ones.
    pub fn repeat(&mut self, batch: i64) {
        self.0.for_each(&mut |tensor| *tensor = tensor.repeat_interleave_self_int(batch, 0, None));
    }
}

impl Sashimi {
    /// Registers a fresh model.
    ///
    /// # Errors
    /// If the config is invalid.
    pub fn new(scope: &mut Scope, config: &SashimiConfig) -> Result<Self> {
        config.validate()?;
        let mut builder = Builder { config, down: 0, up: 0 };
        let stage = builder.stage(scope, config.d_model, &config.pool)?;
        let norm =
            Norm::new(&mut scope.sub("norm"), NormKind::Layer, config.d_model, Hyper::NO_DECAY)?;
        Ok(Self { stage, norm, stride: config.stride() })
    }

    /// Applies the model to whole sequences of any length.
    ///
    /// # Errors
    /// If the input does not fit.
    pub fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let (_, _, len) = x.size3().context("expected sequences (batch, channels, length)")?;
        let missing = (self.stride - len % self.stride) % self.stride;
        let entering = enter(&lengthen(x, missing), pass, true);
        let y = self.stage.forward(&entering, None, pass)?.narrow(2, 0, len);
        Ok(self.norm.forward(&y, pass.train).to_kind(x.kind()))
    }

    /// Applies the model to the continuation of sequences that left it in `state`, which moves on.
    /// Equal to one forward pass over the joined sequence.
    ///
    /// # Errors
    /// If the length is no multiple of all pooling factors together, the state stands in the midst
    /// of such a group, or the model is bidirectional.
    pub fn forward_with_state(
        &self,
        x: &Tensor,
        state: &mut SashimiState,
        pass: &Pass,
    ) -> Result<Tensor> {
        let (_, _, len) = x.size3().context("expected sequences (batch, channels, length)")?;
        ensure!(
            len % self.stride == 0,
            "parts of a sequence are multiples of {} positions long, got {len}",
            self.stride
        );
        let y = self.stage.forward(&enter(x, pass, true), Some(&mut state.0), pass)?;
        Ok(self.norm.forward(&y, pass.train).to_kind(x.kind()))
    }

    /// The state of `batch` sequences before their first input.
    ///
    /// # Errors
    /// If the model is bidirectional.
    pub fn default_state(&self, batch: i64) -> Result<SashimiState> {
        Ok(SashimiState(self.stage.default_state(batch)?))
    }

    /// The model as a recurrence, prepared once for many steps.
    ///
    /// # Errors
    /// If the model is bidirectional.
    pub fn stepper(&self, mode: StepMode) -> Result<SashimiStepper<'_>> {
        Ok(SashimiStepper { model: self, stage: StageStepper::new(&self.stage, mode)? })
    }

    /// Every residual block and its place in the model: `centre.0`, `up0.3`, ….
    pub fn blocks(&self) -> Vec<PlacedBlock<'_>> {
        self.stage.blocks()
    }

    /// All pooling factors together.
    pub fn stride(&self) -> i64 {
        self.stride
    }
}

/// x (B, H, L) with its last position repeated `missing` times behind it. Zeros would not do: the
/// norms of the audio variant, which have no epsilon, make NaN of them, and an FFT spreads it.
fn lengthen(x: &Tensor, missing: i64) -> Tensor {
    if missing == 0 {
        return x.shallow_clone();
    }
    let last = x.narrow(2, x.size()[2] - 1, 1).expand([-1, -1, missing], false);
    Tensor::cat(&[x, &last], 2)
}

/// A [`Sashimi`], one position at a time.
#[derive(Debug)]
pub struct SashimiStepper<'a> {
    model: &'a Sashimi,
    stage: StageStepper<'a>,
}

impl SashimiStepper<'_> {
    /// Input (B, H) to output (B, H); `state` moves on by one position.
    pub fn step(&self, x: &Tensor, state: &mut SashimiState) -> Tensor {
        let y = self.stage.step(x, &mut state.0);
        self.model.norm.forward(&y, false)
    }
}

/// Makes the stages in the order in which the official code numbers them.
struct Builder<'a> {
    config: &'a SashimiConfig,
    /// Layers made on the way down.
    down: usize,
    /// Levels made on the way up.
    up: usize,
}

impl Builder<'_> {
    fn stage(&mut self, scope: &mut Scope, width: i64, pool: &[i64]) -> Result<Stage> {
        let config = self.config;
        let Some((&factor, coarser)) = pool.split_first() else {
            return Ok(Stage::Centre(self.blocks(&mut scope.sub("c_layers"), 0, width)?));
        };
        let (inner_width, variant) = (width * config.expand, config.variant);
        let down = if config.unet {
            self.blocks(&mut scope.sub("d_layers"), self.down, width)?
        } else {
            Vec::new()
        };
        self.down += down.len();
        let mut place = scope.sub(format_args!("d_layers.{}", self.down));
        let pool = DownPool::new(&mut place, width, inner_width, factor, variant)?;
        self.down += 1;
        let inner = self.stage(scope, inner_width, coarser)?;
        let mut scope = scope.sub(format_args!("u_layers.{}", self.up));
        self.up += 1;
        let causal = !config.layer.bidirectional;
        let unpool = UpPool::new(&mut scope.sub("0"), inner_width, width, factor, causal, variant)?;
        let up = self.blocks(&mut scope, 1, width)?;
        Ok(Stage::Level(Box::new(Level { down, pool, inner, unpool, up })))
    }

    /// `n_layers` S4 blocks, each with a feed-forward block behind it, numbered from `first`.
    fn blocks(&self, scope: &mut Scope, first: usize, width: i64) -> Result<Vec<Residual>> {
        let config = self.config;
        let dropout = Dropout { p: config.dropout, tied: config.tie_dropout };
        let mut blocks = Vec::new();
        for _ in 0..config.n_layers {
            let mut s4 = scope.sub(first + blocks.len());
            let layer = S4Block::new(&mut s4.sub("layer"), width, &config.layer, dropout)?;
            blocks.push(residual(&mut s4, Box::new(layer), width, config.variant, dropout)?);
            if config.ff > 0 {
                let pointwise = config.variant == Variant::Standalone;
                let mut ff = scope.sub(first + blocks.len());
                let layer =
                    FeedForward::new(&mut ff.sub("layer"), width, config.ff, pointwise, dropout)?;
                blocks.push(residual(&mut ff, Box::new(layer), width, config.variant, dropout)?);
            }
        }
        Ok(blocks)
    }
}

fn residual(
    scope: &mut Scope,
    layer: Box<dyn SequenceLayer>,
    width: i64,
    variant: Variant,
    dropout: Dropout,
) -> Result<Residual> {
    let (place, kind) = match variant {
        Variant::Standalone => ("norm", NormKind::Layer),
        Variant::Audio => ("norm.norm", NormKind::Scalar),
    };
    let norm = Norm::new(&mut scope.sub(place), kind, width, Hyper::NO_DECAY)?;
    Ok(Residual::new(layer, norm, true, dropout))
}
