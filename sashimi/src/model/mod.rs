//! The model of raw audio: a code goes in at every position, scores of the next one come out.
//!
//! [`backbone`] is SaShiMi itself; here it gets an embedding in front and a linear map behind.
//! Tensors: `encoder.weight`, `model.*`, `decoder.output_transform.*`.
//!
//! Shapes: B batch, H channels, L length, K codes.

pub mod backbone;
mod encoder;
mod pool;
pub mod stage;
mod step;

use anyhow::Result;
use s4_core::layer::linear::Linear;
use s4_core::layer::residual::Residual;
use s4_core::layer::{Pass, SequenceLayer};
use s4_core::params::{Hyper, Scope};
use s4_core::recurrence::StepMode;
use stage::PlacedBlock;
use tch::{Device, Tensor};

pub use backbone::{Sashimi, SashimiConfig, SashimiState, SashimiStepper, Variant};
pub use encoder::EncoderInit;

/// An autoregressive model of codes.
#[derive(Debug)]
pub struct CodeModel {
    encoder: Tensor,
    backbone: Sashimi,
    decoder: Linear,
}

impl CodeModel {
    /// Registers a fresh model of `codes` different codes.
    ///
    /// # Errors
    /// If the config is invalid.
    pub fn new(scope: &mut Scope, config: &SashimiConfig, codes: i64) -> Result<Self> {
        let embedding = config.encoder.draw(codes, config.d_model);
        let encoder = scope.sub("encoder").parameter("weight", &embedding, Hyper::GLOBAL)?;
        let backbone = Sashimi::new(&mut scope.sub("model"), config)?;
        let mut decoder = scope.sub("decoder.output_transform");
        let decoder = match config.encoder.scores(&embedding) {
            None => Linear::new(&mut decoder, config.d_model, codes, Hyper::GLOBAL)?,
            Some(weight) => Linear::from_weight(&mut decoder, &weight, Hyper::GLOBAL)?,
        };
        Ok(Self { encoder, backbone, decoder })
    }

    /// Scores (B, L, K) of the code that follows each of `codes` (B, L) int64. With a `state` the
    /// sequences continue those that left the model in it, and it moves on; L is a multiple of
    /// [`Self::stride`] then.
    ///
    /// # Errors
    /// If the input does not fit the model.
    pub fn forward(
        &self,
        codes: &Tensor,
        state: Option<&mut SashimiState>,
        pass: &Pass,
    ) -> Result<Tensor> {
        let x = Tensor::f_embedding(&self.encoder, codes, -1, false, false)?.transpose(1, 2); // (B, H, L)
        let y = match state {
            None => self.backbone.forward(&x, pass)?,
            Some(state) => self.backbone.forward_with_state(&x, state, pass)?,
        };
        Ok(self.decoder.step(&y.transpose(1, 2)))
    }

    /// The state of `batch` sequences before their first code.
    ///
    /// # Errors
    /// If the model is bidirectional.
    pub fn default_state(&self, batch: i64) -> Result<SashimiState> {
        self.backbone.default_state(batch)
    }

    /// Lengths of parts are multiples of this.
    pub fn stride(&self) -> i64 {
        self.backbone.stride()
    }

    /// The model as a recurrence, prepared once for many steps.
    ///
    /// # Errors
    /// If the model is bidirectional.
    pub fn stepper(&self, mode: StepMode) -> Result<CodeStepper<'_>> {
        Ok(CodeStepper { model: self, backbone: self.backbone.stepper(mode)? })
    }

    /// Every residual block and its place in the model.
    pub fn blocks(&self) -> Vec<PlacedBlock<'_>> {
        self.backbone.blocks()
    }

    /// How sequences of `len` codes are convolved: (block, choice).
    pub fn explain(&self, len: i64) -> Vec<(String, String)> {
        let pass = Pass::train();
        let blocks = self.blocks().into_iter();
        let choices = blocks.flat_map(|PlacedBlock { place, pooled, block }| {
            let choices = block.explain((len / pooled).max(1), &pass).into_iter();
            choices.map(move |(_, choice)| (place.clone(), choice))
        });
        choices.collect()
    }

    /// Distributions to watch while training: Δ and Re A of every layer.
    pub fn spectra(&self) -> Vec<(String, Tensor)> {
        self.by_block(|block| block.spectra())
    }

    /// Convolution kernels to look at.
    pub fn kernels(&self) -> Vec<(String, Tensor)> {
        self.by_block(|block| block.kernels())
    }

    fn by_block(&self, look: impl Fn(&Residual) -> Vec<(String, Tensor)>) -> Vec<(String, Tensor)> {
        let blocks = self.blocks().into_iter();
        let found = blocks.flat_map(|PlacedBlock { place, block, .. }| {
            look(block).into_iter().map(move |(name, values)| (format!("{name}/{place}"), values))
        });
        found.collect()
    }
}

/// A [`CodeModel`], one code at a time.
#[derive(Debug)]
pub struct CodeStepper<'a> {
    model: &'a CodeModel,
    backbone: SashimiStepper<'a>,
}

impl CodeStepper<'_> {
    /// Where codes and scores live.
    pub fn device(&self) -> Device {
        self.model.encoder.device()
    }

    /// Scores (B, K) of the code that follows `codes` (B) int64; `state` moves on.
    pub fn step(&self, codes: &Tensor, state: &mut SashimiState) -> Tensor {
        let x = Tensor::embedding(&self.model.encoder, codes, -1, false, false);
        self.model.decoder.step(&self.backbone.step(&x, state))
    }
}
