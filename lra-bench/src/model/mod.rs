//! The classifier: encoder, residual stack of S4 blocks (or of a baseline's layers), decoder.
//!
//! Tensor names are those of the official experiments: `encoder.*`, `model.layers.{i}.*`,
//! `model.norm.*`, `decoder.*`.

pub mod decoder;
pub mod encoder;
pub mod mixer;
pub mod position;

use anyhow::{Context, Result, ensure};
use s4_core::kernel::KernelMethod;
use s4_core::layer::norm::NormKind;
use s4_core::layer::s4_block::S4BlockConfig;
use s4_core::layer::stack::{Stack, StackConfig};
use s4_core::layer::{Activations, Pass, SequenceLayer};
use s4_core::params::Scope;
use s4_core::ssm::parameters::Mode;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use decoder::{Decoder, Pooling};
use encoder::Encoder;
use mixer::Mixer;
use mixer::convolution::ConvolutionConfig;
use mixer::heads::AttentionConfig;
use mixer::recurrent::RecurrentConfig;

/// Everything about the network that the task does not decide.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// Width H.
    pub d_model: i64,
    /// Number of layers.
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
    /// What mixes the positions: `s4`, or a baseline: `transformer`, `linear-attention`, `lstm`,
    /// `gru`, `convolution`.
    #[serde(skip_serializing_if = "Mixer::is_s4")]
    pub mixer: Mixer,
    /// The S4 block. Every preset has this section; other mixers do not use it.
    pub layer: S4BlockConfig,
    /// Attention, of `transformer` and `linear-attention`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention: Option<AttentionConfig>,
    /// The recurrence, of `lstm` and `gru`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recurrent: Option<RecurrentConfig>,
    /// The filters, of `convolution`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub convolution: Option<ConvolutionConfig>,
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
            mixer: Mixer::S4,
            layer: S4BlockConfig::default(),
            attention: None,
            recurrent: None,
            convolution: None,
        }
    }
}

impl ModelConfig {
    /// What the model is called in tables.
    pub fn name(&self) -> &'static str {
        match (self.mixer, self.layer.ssm.mode) {
            (Mixer::S4, Mode::S4) => "S4",
            (Mixer::S4, Mode::S4d) => "S4D",
            (Mixer::Transformer, _) => "Transformer",
            (Mixer::LinearAttention, _) => "linear attention",
            (Mixer::Lstm, _) => "LSTM",
            (Mixer::Gru, _) => "GRU",
            (Mixer::Convolution, _) => "convolution",
        }
    }

    /// The same with the mixer's section spelt out, as it is kept with a run: defaults may change.
    pub fn complete(mut self) -> Self {
        match self.mixer {
            Mixer::S4 => {}
            Mixer::Transformer | Mixer::LinearAttention => {
                self.attention.get_or_insert_default();
            }
            Mixer::Lstm | Mixer::Gru => {
                self.recurrent.get_or_insert_default();
            }
            Mixer::Convolution => {
                self.convolution.get_or_insert_default();
            }
        }
        self
    }

    /// Checks what the types cannot.
    ///
    /// # Errors
    /// With the offending key, its value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        let sections: [(_, _, &[Mixer]); 3] = [
            ("attention", self.attention.is_some(), &[Mixer::Transformer, Mixer::LinearAttention]),
            ("recurrent", self.recurrent.is_some(), &[Mixer::Lstm, Mixer::Gru]),
            ("convolution", self.convolution.is_some(), &[Mixer::Convolution]),
        ];
        for (section, given, owners) in sections {
            let names: Vec<_> = owners.iter().map(|mixer| mixer.key()).collect();
            ensure!(
                !given || owners.contains(&self.mixer),
                "model.{section} means nothing to model.mixer = \"{}\": it is for {}. Leave the \
                 section out or choose another mixer",
                self.mixer.key(),
                names.join(" and ")
            );
        }
        self.stack().validate().context("model")?;
        self.layer.ssm.validate().context("model.layer.ssm")?;
        if self.mixer.attends() {
            let attention = self.attention.clone().unwrap_or_default();
            attention.validate(self.d_model).context("model.attention")?;
        }
        self.convolution.as_ref().map_or(Ok(()), |c| c.validate().context("model.convolution"))
    }

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
