//! The classifier: encoder, residual stack of S4 blocks (or of a baseline's layers), decoder.
//!
//! Tensor names are those of the official experiments: `encoder.*`, `model.layers.{i}.*`,
//! `model.norm.*`, `decoder.*`.

pub mod decoder;
pub mod encoder;
pub mod mixer;
pub mod position;

use anyhow::{Context, Result, ensure};
use s4_config::{KernelMethod, Mode, NormKind, S4BlockConfig, StackConfig};

use s4_core::layer::stack::Stack;
use s4_core::layer::{Activations, Pass, SequenceLayer};
use s4_core::params::Scope;

use serde::{Deserialize, Serialize};
use tch::Tensor;

use decoder::{Decoder, Pooling};
use encoder::Encoder;
use mixer::Mixer;
use mixer::convolution::ConvolutionConfig;
use mixer::heads::AttentionConfig;
use mixer::recurrent::RecurrentConfig;

/// A sequence classifier.
#[derive(Debug)]
pub struct Classifier {
    encoder: Encoder,
    stack: Stack,
    decoder: Decoder,
    kernel: KernelMethod,
    activations: Activations,
    mixer: Mixer,
}

impl Classifier {
    /// Registers a fresh model.
    ///
    /// # Errors
    /// If the config is contradictory.
    pub fn new(scope: &mut Scope, config: &ModelConfig, shape: Shape) -> Result<Self> {
        config.validate()?;
        let encoder = Encoder::new(&mut scope.sub("encoder"), shape.input, config.d_model)?;
        let blocks = config.mixer.blocks(config.n_layers);
        let stack = StackConfig { n_layers: blocks, ..config.stack() };
        let stack =
            Stack::new(&mut scope.sub("model"), &stack, |scope, i| mixer::layer(scope, config, i))?;
        let mut scope = scope.sub("decoder");
        let (width, classes) = (config.d_model, shape.classes);
        let decoder = if shape.pairs {
            Decoder::pairs(&mut scope, width, classes, config.pooling)?
        } else {
            Decoder::single(&mut scope, width, classes, config.pooling)?
        };
        Ok(Self {
            encoder,
            stack,
            decoder,
            kernel: config.kernel,
            activations: config.activations(),
            mixer: config.mixer,
        })
    }

    /// Class scores (B, classes) of sequences (B, L) or (B, L, features).
    ///
    /// # Errors
    /// If the input does not fit the model.
    pub fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        ensure!(
            pass.rate == 1.0 || self.mixer.is_s4(),
            "only S4 can be taken to another sampling rate (rate {}); model.mixer is \"{}\"",
            pass.rate,
            self.mixer.key()
        );
        let pass = Pass { kernel: self.kernel, activations: self.activations, ..pass };
        let mut x = self.encoder.forward(x)?; // (B, H, L)
        if self.mixer.attends() {
            x = position::add_positions(&x);
        }
        let x = self.stack.forward(&x, &pass)?;
        Ok(self.decoder.forward(&x, pass.lengths.as_ref()))
    }

    /// How sequences of `len` positions are convolved: (layer, choice). Empty for baselines.
    pub fn explain(&self, len: i64) -> Vec<(String, String)> {
        self.stack.explain(len, &Pass { kernel: self.kernel, ..Pass::train() })
    }

    /// Whether blocks are computed again for their gradients.
    pub fn recomputes(&self) -> bool {
        self.activations == Activations::Recomputed
    }

    /// The residual blocks, between encoder and decoder.
    pub fn stack(&self) -> &Stack {
        &self.stack
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
