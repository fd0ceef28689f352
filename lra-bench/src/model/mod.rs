//! The classifier: encoder, residual stack of S4 blocks, decoder.
//!
//! Tensor names are those of the official experiments: `encoder.*`, `model.layers.{i}.*`,
//! `model.norm.*`, `decoder.*`.

pub mod decoder;
pub mod encoder;

use anyhow::Result;
use s4_core::kernel::KernelMethod;
use s4_core::layer::norm::NormKind;
use s4_core::layer::s4_block::{S4Block, S4BlockConfig};
use s4_core::layer::stack::{Stack, StackConfig};
use s4_core::layer::{Activations, Pass, SequenceLayer};
use s4_core::params::Scope;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use decoder::{Decoder, Pooling};
use encoder::Encoder;

/// Everything about the network that the task does not decide.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// Width H.
    pub d_model: i64,
    /// Number of S4 blocks.
    pub n_layers: i64,
    /// Normalisation: `layer`, `batch` or `none`.
    pub norm: NormKind,
    /// Normalise in front of each layer rather than behind each residual sum.
    pub prenorm: bool,
    /// Probability of dropping an activation.
    pub dropout: f64,
    /// One dropout mask for all positions of a sequence.
    pub tie_dropout: bool,
    /// What of the last layer's output is classified: `pool` (mean), `last`, `first` or `sum`.
    pub pooling: Pooling,
    /// How convolution kernels are computed: `block-powers`, `paper` or `naive`.
    pub kernel: KernelMethod,
    /// Activation checkpointing: while training, a block keeps only its input and is computed again
    /// for its gradient. Costs the time of one more forward pass and saves most of the memory; results
    /// are the same.
    pub recompute: bool,
    /// The S4 block.
    pub layer: S4BlockConfig,
}

impl Default for ModelConfig {
    fn default() -> Self {
        let stack = StackConfig::default();
        Self {
            d_model: stack.d_model,
            n_layers: stack.n_layers,
            norm: stack.norm,
            prenorm: stack.prenorm,
            dropout: stack.dropout,
            tie_dropout: stack.tie_dropout,
            pooling: Pooling::Pool,
            kernel: KernelMethod::default(),
            recompute: false,
            layer: S4BlockConfig::default(),
        }
    }
}

impl ModelConfig {
    fn stack(&self) -> StackConfig {
        StackConfig {
            d_model: self.d_model,
            n_layers: self.n_layers,
            norm: self.norm,
            prenorm: self.prenorm,
            dropout: self.dropout,
            tie_dropout: self.tie_dropout,
        }
    }

    fn activations(&self) -> Activations {
        if self.recompute { Activations::Recomputed } else { Activations::Kept }
    }
}

/// What a task's sequences are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputKind {
    /// Token numbers below `vocabulary`, (B, L) int64.
    Tokens {
        /// Number of different tokens, padding included.
        vocabulary: i64,
    },
    /// Real vectors of `features` entries, (B, L, features).
    Values {
        /// Entries a position.
        features: i64,
    },
}

/// What a task asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// What goes in.
    pub input: InputKind,
    /// Number of classes.
    pub classes: i64,
    /// Two sequences an example, to be compared: (2B, …), all first ones before all second ones.
    pub pairs: bool,
}

/// A sequence classifier.
#[derive(Debug)]
pub struct Classifier {
    encoder: Encoder,
    stack: Stack,
    decoder: Decoder,
    kernel: KernelMethod,
    activations: Activations,
}

impl Classifier {
    /// Registers a fresh model.
    ///
    /// # Errors
    /// If the config is contradictory.
    pub fn new(scope: &mut Scope, config: &ModelConfig, shape: Shape) -> Result<Self> {
        let stack = config.stack();
        stack.validate()?;
        let encoder = Encoder::new(&mut scope.sub("encoder"), shape.input, config.d_model)?;
        let stack_config = &stack;
        let stack = Stack::new(&mut scope.sub("model"), stack_config, |scope, _| {
            let dropout = stack_config.dropout();
            Ok(Box::new(S4Block::new(scope, config.d_model, &config.layer, dropout)?))
        })?;
        let mut scope = scope.sub("decoder");
        let (width, classes) = (config.d_model, shape.classes);
        let decoder = if shape.pairs {
            Decoder::pairs(&mut scope, width, classes, config.pooling)?
        } else {
            Decoder::single(&mut scope, width, classes, config.pooling)?
        };
        let kernel = config.kernel;
        Ok(Self { encoder, stack, decoder, kernel, activations: config.activations() })
    }

    /// Class scores (B, classes) of sequences (B, L) or (B, L, features).
    ///
    /// # Errors
    /// If the input does not fit the model.
    pub fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let pass = Pass { kernel: self.kernel, activations: self.activations, ..pass };
        let x = self.encoder.forward(x)?; // (B, H, L)
        let x = self.stack.forward(&x, &pass)?;
        Ok(self.decoder.forward(&x, pass.lengths.as_ref()))
    }

    /// Convolution kernels to look at, by layer: some channels' rows of their first values.
    pub fn kernels(&self) -> Vec<(String, Tensor)> {
        self.stack.kernels()
    }

    /// Distributions to watch while training: Δ and Re A of every layer.
    pub fn spectra(&self) -> Vec<(String, Tensor)> {
        self.stack.spectra()
    }
}
