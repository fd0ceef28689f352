//! SaShiMi (Goel et al. 2022): S4 and feed-forward blocks at several resolutions.
//!
//! Shapes: B batch, H channels, L length.

pub(crate) mod pool;
mod stage;
mod step;

use anyhow::{Context, Result, ensure};
use s4_config::{NormKind, SashimiConfig, Variant};
use s4_core::layer::dropout::Dropout;
use s4_core::layer::feed_forward::FeedForward;
use s4_core::layer::inspect::{Inspect, Place};
use s4_core::layer::norm::Norm;
use s4_core::layer::residual::Residual;
use s4_core::layer::s4_block::S4Block;
use s4_core::layer::stack::{condition, enter};
use s4_core::layer::{Pass, SequenceLayer, State, Stepper};
use s4_core::params::{Hyper, Scope};
use s4_core::recurrence::StepMode;
use tch::Tensor;

use pool::{DownPool, UpPool};
use stage::{Carried, Level, Stage};
use step::SashimiStepper;

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

    fn run(&self, x: &Tensor, state: &mut Option<Carried>, pass: &Pass) -> Result<Tensor> {
        let y = self.stage.forward(&enter(x, pass, true), state, pass)?;
        Ok(self.norm.forward(&y, pass.train).to_kind(x.kind()))
    }
}

impl SequenceLayer for Sashimi {
    /// Sequences may be of any length.
    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let (_, _, len) = x.size3().context("expected sequences (batch, channels, length)")?;
        check_condition(pass, len)?;
        let missing = (self.stride - len % self.stride) % self.stride;
        let condition = pass.condition.as_ref().map(|condition| match condition.dim() {
            3 => lengthen(condition, missing),
            _ => condition.shallow_clone(),
        });
        let y = self.run(&lengthen(x, missing), &mut None, &pass.with_condition(condition))?;
        Ok(y.narrow(2, 0, len))
    }

    /// The length is a multiple of [`Self::stride`], and the state does not stand in the midst of
    /// such a group.
    fn forward_with_state(
        &self,
        x: &Tensor,
        state: &State,
        pass: &Pass,
    ) -> Result<(Tensor, State)> {
        let (_, _, len) = x.size3().context("expected sequences (batch, channels, length)")?;
        ensure!(
            len % self.stride == 0,
            "parts of a sequence are multiples of {} positions long, got {len}",
            self.stride
        );
        check_condition(pass, len)?;
        let total = self.state_len();
        ensure!(state.len() == total, "this model has {total} states, got {}", state.len());
        let mut carried = Some(Carried::new(state));
        let y = self.run(x, &mut carried, pass)?;
        Ok((y, carried.map(|carried| carried.after).unwrap_or_default()))
    }

    fn default_state(&self, batch: i64) -> Result<State> {
        let mut state = State::new();
        self.stage.default_state(batch, &mut state)?;
        Ok(state)
    }

    fn stepper(&self, mode: StepMode, rate: f64) -> Result<Box<dyn Stepper + '_>> {
        Ok(Box::new(SashimiStepper::new(self, mode, rate)?))
    }

    fn state_len(&self) -> usize {
        self.stage.state_len()
    }

    fn visit<'a>(&'a self, place: Place, see: &mut dyn FnMut(Place, &'a dyn Inspect)) {
        self.stage.visit(0, &place, see);
    }

    fn stride(&self) -> i64 {
        self.stride
    }
}

/// A condition of every position has as many as the input: it is pooled before the first block that
/// would look.
fn check_condition(pass: &Pass, len: i64) -> Result<()> {
    if let Some([_, _, given]) = pass.condition.as_ref().map(Tensor::size).as_deref() {
        ensure!(*given == len, "a condition of {given} positions for sequences of {len}");
    }
    Ok(())
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
        // The stand-alone model is late where it looks ahead, too; only that of the audio experiments is not.
        let late = !config.layer.bidirectional || variant == Variant::Standalone;
        let unpool = UpPool::new(&mut scope.sub("0"), inner_width, width, factor, late, variant)?;
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
            blocks.push(self.residual(&mut s4, Box::new(layer), width)?);
            if config.ff > 0 {
                let pointwise = config.variant == Variant::Standalone;
                let mut ff = scope.sub(first + blocks.len());
                let layer =
                    FeedForward::new(&mut ff.sub("layer"), width, config.ff, pointwise, dropout)?;
                blocks.push(self.residual(&mut ff, Box::new(layer), width)?);
            }
        }
        Ok(blocks)
    }

    fn residual(
        &self,
        scope: &mut Scope,
        layer: Box<dyn SequenceLayer>,
        width: i64,
    ) -> Result<Residual> {
        let SashimiConfig { dropout, tie_dropout, .. } = *self.config;
        let (place, kind) = match self.config.variant {
            Variant::Standalone => ("norm", NormKind::Layer),
            Variant::Audio => ("norm.norm", NormKind::Scalar),
        };
        let norm = Norm::new(&mut scope.sub(place), kind, width, Hyper::NO_DECAY)?;
        let condition = condition(scope, self.config.condition, width)?;
        let dropout = Dropout { p: dropout, tied: tie_dropout };
        Ok(Residual::conditioned(layer, norm, true, dropout, condition))
    }
}
