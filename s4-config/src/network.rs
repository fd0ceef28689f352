//! A whole network: `[model]` of an experiment.

use anyhow::{Context, Result, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::adaptive::AdaptiveConfig;
use crate::baselines::{
    AttentionConfig, DilatedConfig, RecurrentConfig, ResnextConfig, StackedRnnConfig,
};
use crate::block::{KernelMethod, S4BlockConfig};
use crate::check_sizes;
use crate::forecast::ForecastConfig;
use crate::logistics::LogisticsConfig;
use crate::samplernn::SampleRnnConfig;
use crate::sashimi::{SashimiConfig, Variant};
use crate::ssm::Mode;
use crate::stack::{NormKind, StackConfig};
use crate::wavenet::WaveNetConfig;

/// Old names of keys of `[model]` in the TOML files of experiments, and the current ones.
pub const ALIASES: &[(&str, &str)] = &[
    ("model.mixer", "model.backbone"),
    ("model.kernel", "model.kernel_method"),
    ("model.convolution", "model.dilated"),
    ("model.dilated.kernel", "model.dilated.kernel_size"),
];

/// Places that `lags` may look back.
pub(crate) const MAX_LAG: i64 = 1 << 16;

/// Everything about a network that the data does not decide.
///
/// What is absent is the backbone's default; [`Self::complete`] spells it out, as it is kept with a
/// run.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkConfig {
    /// What mixes the positions: `s4`, `sashimi`, or a baseline: `transformer`, `linear-attention`,
    /// `lstm`, `gru`, `dilated` (convolutions), `wavenet`, `samplernn`, `stacked-rnn`; or `resnext`,
    /// which classifies spectrograms. Default: `s4` for classification, `sashimi` for audio.
    #[serde(alias = "mixer")]
    pub backbone: Option<Backbone>,
    /// Width H: channels of every layer, or of SaShiMi's finest resolution, or of the vectors of codes
    /// for WaveNet and SampleRNN. Default: 256; SaShiMi 64.
    pub d_model: Option<i64>,
    /// Number of layers; of SaShiMi, S4 blocks at each resolution, on each side. Default: 6; SaShiMi
    /// 8. WaveNet and SampleRNN have sections of their own.
    pub n_layers: Option<i64>,
    /// Normalisation: `layer`, `batch`, `scalar` or `none`. Default: `layer`. SaShiMi's is its
    /// variant's.
    pub norm: Option<NormKind>,
    /// Normalise before each layer rather than after each residual sum. Default: false. SaShiMi
    /// always does.
    pub prenorm: Option<bool>,
    /// Of SaShiMi: positions that are pooled into one, from fine to coarse. Default: [4, 4].
    pub pool: Option<Vec<i64>>,
    /// Of SaShiMi: factor by which channels grow with each pooling. Default: 2.
    pub expand: Option<i64>,
    /// Of SaShiMi, and of S4 with `ff_every`: hidden channels of the feed-forward blocks, in multiples of their
    /// width; 0: no such blocks. Default: 2.
    pub ff: Option<i64>,
    /// Of S4: a feed-forward block follows each so many layers. Default: no such blocks.
    pub ff_every: Option<i64>,
    /// Of SaShiMi: blocks on the way down as well, with a skip connection from each. Default: false.
    pub unet: Option<bool>,
    /// Of SaShiMi: `standalone` or `audio`. Default: `standalone`.
    pub variant: Option<Variant>,
    /// How the embedding of tokens begins: `normal` (official) or `fourier`. Default: `normal`.
    pub encoder: Option<EncoderInit>,
    /// Of tokens: beside the one before the next, those so many places before it are embedded, each place with
    /// vectors of its own, and added: of pictures, the pixel to the left and the one above. Rising, from 2.
    /// Default: none.
    pub lags: Option<Vec<i64>>,
    /// Embedding and scores of a large vocabulary, in clusters of ever rarer tokens. Default: one vector
    /// and one score, each of all channels, for every token.
    pub adaptive: Option<AdaptiveConfig>,
    /// Scores of a next token that is a level of something: a mixture of logistic distributions. Default: one score
    /// for every token, of a linear map.
    pub logistics: Option<LogisticsConfig>,
    /// Probability of dropping an activation.
    pub dropout: f64,
    /// One dropout mask for all positions of a sequence. Default: true.
    pub tie_dropout: Option<bool>,
    /// What of the backbone's output is classified: `pool` (mean), `last`, `first` or `sum`.
    /// Default: `pool`. Not used where every position has an output.
    pub pooling: Option<Pooling>,
    /// How S4's convolution kernels are computed: `block-powers`, `paper` or `naive`.
    #[serde(alias = "kernel")]
    pub kernel_method: KernelMethod,
    /// Activation checkpointing: while training, a block keeps only its input and is computed again
    /// for its gradient. Costs the time of one more forward pass and saves most of the memory; results
    /// are the same up to rounding.
    pub recompute: bool,
    /// Of causal backbones with a recurrence: sequences begin in a learned state, in place of zero. Default:
    /// false.
    pub learned_state: bool,
    /// Channels of a condition that every block is given beside its input. Default: none.
    pub condition: Option<i64>,
    /// What is done around the network, where a series is asked for.
    pub forecast: Option<ForecastConfig>,
    /// The S4 block, of `s4` and `sashimi`.
    pub layer: S4BlockConfig,
    /// Attention, of `transformer` and `linear-attention`.
    pub attention: Option<AttentionConfig>,
    /// The recurrence, of `lstm` and `gru`.
    pub recurrent: Option<RecurrentConfig>,
    /// The filters, of `dilated`.
    #[serde(alias = "convolution")]
    pub dilated: Option<DilatedConfig>,
    /// Blocks, channels and filters, of `wavenet`.
    pub wavenet: Option<WaveNetConfig>,
    /// Tiers, of `samplernn`.
    pub samplernn: Option<SampleRnnConfig>,
    /// The recurrences and what joins them, of `stacked-rnn`.
    pub stacked_rnn: Option<StackedRnnConfig>,
    /// The picture network, of `resnext`.
    pub resnext: Option<ResnextConfig>,
}

/// What mixes the positions of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Backbone {
    /// S4 or S4D, as `[model.layer]` says.
    #[default]
    S4,
    /// S4 at several resolutions (Goel et al. 2022).
    Sashimi,
    /// Softmax attention (Vaswani et al. 2017); `[model.attention]`.
    Transformer,
    /// Attention without the softmax (Katharopoulos et al. 2020); `[model.attention]`.
    LinearAttention,
    /// Long short-term memory (Hochreiter & Schmidhuber 1997); `[model.recurrent]`.
    Lstm,
    /// Gated recurrent unit (Cho et al. 2014); `[model.recurrent]`.
    Gru,
    /// Gated dilated convolutions, as in WaveNet (van den Oord et al. 2016); `[model.dilated]`.
    #[serde(alias = "convolution")]
    Dilated,
    /// WaveNet as published (van den Oord et al. 2016); `[model.wavenet]`.
    #[serde(rename = "wavenet")]
    WaveNet,
    /// SampleRNN (Mehri et al. 2017); `[model.samplernn]`.
    #[serde(rename = "samplernn")]
    SampleRnn,
    /// Recurrences on top of each other, all of which see the input (Mehri et al. 2017);
    /// `[model.stacked_rnn]`.
    StackedRnn,
    /// Convolutions over a spectrogram as a picture (Xie et al. 2017); `[model.resnext]`.
    Resnext,
}

impl Backbone {
    /// Its name in configs.
    pub fn key(self) -> &'static str {
        match self {
            Backbone::S4 => "s4",
            Backbone::Sashimi => "sashimi",
            Backbone::Transformer => "transformer",
            Backbone::LinearAttention => "linear-attention",
            Backbone::Lstm => "lstm",
            Backbone::Gru => "gru",
            Backbone::Dilated => "dilated",
            Backbone::WaveNet => "wavenet",
            Backbone::SampleRnn => "samplernn",
            Backbone::StackedRnn => "stacked-rnn",
            Backbone::Resnext => "resnext",
        }
    }

    /// Whether it is a plain stack of residual blocks with norm and dropout.
    pub fn is_stack(self) -> bool {
        use Backbone::{Resnext, SampleRnn, Sashimi, StackedRnn, WaveNet};
        !matches!(self, Sashimi | WaveNet | SampleRnn | StackedRnn | Resnext)
    }

    /// Whether its layers are S4 blocks, which have a section of their own, and go on at other
    /// sampling rates.
    pub fn is_ssm(self) -> bool {
        matches!(self, Backbone::S4 | Backbone::Sashimi)
    }

    /// Whether it can step on from a state of fixed size that is its own.
    fn has_recurrence(self) -> bool {
        self.is_ssm() || matches!(self, Backbone::Lstm | Backbone::Gru | Backbone::LinearAttention)
    }

    /// Whether it looks by content only, and needs the positions in its input.
    pub fn attends(self) -> bool {
        matches!(self, Backbone::Transformer | Backbone::LinearAttention)
    }
}

impl NetworkConfig {
    /// The defaults of a backbone.
    pub fn of(backbone: Backbone) -> Self {
        Self::default().complete(backbone)
    }

    /// What mixes the positions.
    pub fn backbone(&self) -> Backbone {
        self.backbone.unwrap_or_default()
    }

    /// Width H of what goes into the backbone and comes out of it; of a picture network only the
    /// latter.
    pub fn width(&self) -> i64 {
        match self.backbone() {
            Backbone::Sashimi => self.sashimi().d_model,
            Backbone::Resnext => self.resnext().width(),
            _ => self.stack().d_model,
        }
    }

    /// Number of layers.
    pub fn depth(&self) -> i64 {
        match self.backbone() {
            Backbone::Sashimi => self.sashimi().n_layers,
            Backbone::WaveNet => self.wavenet().dilations().len() as i64,
            Backbone::SampleRnn => self.samplernn().frame_sizes.len() as i64 + 1,
            Backbone::Resnext => self.resnext().depth,
            _ => self.stack().n_layers,
        }
    }

    /// What the network is called in tables.
    pub fn name(&self) -> &'static str {
        match (self.backbone(), self.layer.ssm.mode) {
            (Backbone::S4, Mode::S4) => "S4",
            (Backbone::S4, Mode::S4d) => "S4D",
            (Backbone::Sashimi, _) => "SaShiMi",
            (Backbone::Transformer, _) => "Transformer",
            (Backbone::LinearAttention, _) => "linear attention",
            (Backbone::Lstm, _) => "LSTM",
            (Backbone::Gru, _) => "GRU",
            (Backbone::Dilated, _) => "dilated convolution",
            (Backbone::WaveNet, _) => "WaveNet",
            (Backbone::SampleRnn, _) => "SampleRNN",
            (Backbone::StackedRnn, _) => "stacked RNN",
            (Backbone::Resnext, _) => "ResNeXt",
        }
    }

    /// The same with every default of its backbone spelt out, which is `default` where none is given,
    /// and without what is not for it.
    pub fn complete(mut self, default: Backbone) -> Self {
        use Backbone::*;
        let backbone = *self.backbone.get_or_insert(default);
        match backbone {
            S4 | Sashimi => {}
            Transformer | LinearAttention => drop(self.attention.get_or_insert_default()),
            Lstm | Gru => drop(self.recurrent.get_or_insert_default()),
            Dilated => drop(self.dilated.get_or_insert_default()),
            WaveNet => drop(self.wavenet.get_or_insert_default()),
            SampleRnn => drop(self.samplernn.get_or_insert_default()),
            StackedRnn => drop(self.stacked_rnn.get_or_insert_default()),
            Resnext => drop(self.resnext.get_or_insert_default()),
        }
        let (stack, sashimi) = (self.stack(), self.sashimi());
        let (is_stack, is_sashimi) = (backbone.is_stack(), backbone == Sashimi);
        self.d_model = match backbone {
            Sashimi => Some(sashimi.d_model),
            Resnext => None,
            _ => Some(stack.d_model),
        };
        self.n_layers = match backbone {
            Sashimi => Some(sashimi.n_layers),
            WaveNet | SampleRnn | Resnext => None,
            _ => Some(stack.n_layers),
        };
        self.norm = is_stack.then_some(stack.norm);
        self.prenorm = is_stack.then_some(stack.prenorm);
        self.pool = is_sashimi.then_some(sashimi.pool);
        self.expand = is_sashimi.then_some(sashimi.expand);
        self.ff = match backbone {
            Sashimi => Some(sashimi.ff),
            S4 => self.ff_every.map(|_| stack.ff),
            _ => None,
        };
        self.ff_every = self.ff_every.filter(|_| backbone == S4);
        self.unet = is_sashimi.then_some(sashimi.unet);
        self.variant = is_sashimi.then_some(sashimi.variant);
        if is_stack || is_sashimi {
            self.tie_dropout = Some(stack.tie_dropout);
        } else {
            (self.dropout, self.tie_dropout, self.recompute) = (0.0, None, false);
        }
        self.learned_state &= backbone.has_recurrence();
        if matches!(backbone, SampleRnn | Resnext) {
            (self.encoder, self.lags, self.logistics) = (None, None, None);
        }
        self
    }

    /// Depth, width and wiring of the backbones that are plain stacks.
    pub fn stack(&self) -> StackConfig {
        let default = StackConfig::default();
        let ff_every = self.ff_every.filter(|_| self.backbone() == Backbone::S4);
        StackConfig {
            d_model: self.d_model.unwrap_or(default.d_model),
            n_layers: self.n_layers.unwrap_or(default.n_layers),
            norm: self.norm.unwrap_or(default.norm),
            prenorm: self.prenorm.unwrap_or(default.prenorm),
            dropout: self.dropout,
            tie_dropout: self.tie_dropout.unwrap_or(default.tie_dropout),
            ff: ff_every.map_or(0, |_| self.ff.unwrap_or(SashimiConfig::default().ff)),
            ff_every: ff_every.unwrap_or(default.ff_every),
            condition: self.condition,
        }
    }

    /// Depth, width and wiring of SaShiMi.
    pub fn sashimi(&self) -> SashimiConfig {
        let default = SashimiConfig::default();
        SashimiConfig {
            d_model: self.d_model.unwrap_or(default.d_model),
            n_layers: self.n_layers.unwrap_or(default.n_layers),
            pool: self.pool.clone().unwrap_or(default.pool),
            expand: self.expand.unwrap_or(default.expand),
            ff: self.ff.unwrap_or(default.ff),
            unet: self.unet.unwrap_or(default.unet),
            variant: self.variant.unwrap_or(default.variant),
            dropout: self.dropout,
            tie_dropout: self.tie_dropout.unwrap_or(default.tie_dropout),
            condition: self.condition,
            layer: self.layer.clone(),
        }
    }

    /// Sizes of the picture network.
    pub fn resnext(&self) -> ResnextConfig {
        self.resnext.clone().unwrap_or_default()
    }

    /// Settings of WaveNet.
    pub fn wavenet(&self) -> WaveNetConfig {
        self.wavenet.clone().unwrap_or_default()
    }

    /// Settings of SampleRNN.
    pub fn samplernn(&self) -> SampleRnnConfig {
        self.samplernn.clone().unwrap_or_default()
    }

    /// Settings of a stack of recurrences.
    pub fn stacked_rnn(&self) -> StackedRnnConfig {
        self.stacked_rnn.clone().unwrap_or_default()
    }

    /// The key of `[model]` that makes it look ahead, if it does: such a network cannot predict what
    /// comes next, nor be stepped.
    pub fn looks_ahead(&self) -> Option<&'static str> {
        let attention = self.attention.as_ref().is_some_and(|config| config.bidirectional);
        let recurrent = self.recurrent.as_ref().is_some_and(|config| config.bidirectional);
        let dilated = self.dilated.as_ref().is_some_and(|config| config.bidirectional);
        let (key, looks_ahead) = match self.backbone() {
            Backbone::S4 | Backbone::Sashimi => ("layer.bidirectional", self.layer.bidirectional),
            Backbone::Transformer | Backbone::LinearAttention => {
                ("attention.bidirectional", attention)
            }
            Backbone::Lstm | Backbone::Gru => ("recurrent.bidirectional", recurrent),
            Backbone::Dilated => ("dilated.bidirectional", dilated),
            Backbone::WaveNet | Backbone::SampleRnn | Backbone::StackedRnn => return None,
            Backbone::Resnext => ("backbone", true),
        };
        looks_ahead.then_some(key)
    }

    /// Parts of sequences that carry a state on are multiples of this many positions long.
    pub fn stride(&self) -> i64 {
        match self.backbone() {
            Backbone::Sashimi => self.sashimi().stride(),
            Backbone::SampleRnn => self.samplernn().stride(),
            _ => 1,
        }
    }

    /// Places before the next token whose tokens are embedded beside the last one's, in rising order.
    pub fn lags(&self) -> &[i64] {
        self.lags.as_deref().unwrap_or_default()
    }

    /// Tokens that have to be known of a sequence beside the one that goes in, as many as are looked at.
    pub fn memory(&self) -> i64 {
        let predicted = self.logistics.as_ref().map_or(0, LogisticsConfig::reach);
        self.lags().iter().copied().fold(predicted, i64::max).saturating_sub(1).max(0)
    }

    /// Keys that are given and have no effect on the backbone: a preset of one backbone is the
    /// beginning of experiments with another.
    pub fn unused(&self) -> Vec<&'static str> {
        let backbone = self.backbone();
        let (is_sashimi, is_ssm) = (backbone == Backbone::Sashimi, backbone.is_ssm());
        let is_stack = backbone.is_stack();
        let has_blocks = is_sashimi || is_stack;
        let is_resnext = backbone == Backbone::Resnext;
        let has_layers =
            !is_resnext && !matches!(backbone, Backbone::WaveNet | Backbone::SampleRnn);
        let has_ff = is_sashimi || (backbone == Backbone::S4 && self.ff_every.is_some());
        let has_embedding = !is_resnext && backbone != Backbone::SampleRnn;
        let keys = [
            ("d_model", self.d_model.is_some() && is_resnext),
            ("n_layers", self.n_layers.is_some() && !has_layers),
            ("dropout", self.dropout != 0.0 && !has_blocks),
            ("tie_dropout", self.tie_dropout.is_some() && !has_blocks),
            ("recompute", self.recompute && !has_blocks),
            ("learned_state", self.learned_state && !backbone.has_recurrence()),
            ("encoder", self.encoder.is_some() && !has_embedding),
            ("lags", self.lags.is_some() && !has_embedding),
            ("logistics", self.logistics.is_some() && !has_embedding),
            ("norm", self.norm.is_some() && !is_stack),
            ("prenorm", self.prenorm.is_some() && !is_stack),
            ("pool", self.pool.is_some() && !is_sashimi),
            ("expand", self.expand.is_some() && !is_sashimi),
            ("ff", self.ff.is_some() && !has_ff),
            ("ff_every", self.ff_every.is_some() && backbone != Backbone::S4),
            ("adaptive", self.adaptive.is_some() && !has_embedding),
            ("unet", self.unet.is_some() && !is_sashimi),
            ("variant", self.variant.is_some() && !is_sashimi),
            ("layer", !is_ssm && self.layer != S4BlockConfig::default()),
        ];
        keys.into_iter().filter_map(|(key, unused)| unused.then_some(key)).collect()
    }

    /// The config as it is kept with a run, with `default` for a backbone, after `set` (full keys)
    /// were changed by the user; and a line on what has no effect, if anything.
    ///
    /// # Errors
    /// If the user set what has no effect; `[model.layer]` alone, which every preset has, may be.
    pub fn settle(mut self, default: Backbone, set: &[&str]) -> Result<(Self, Option<String>)> {
        let backbone = *self.backbone.get_or_insert(default);
        let unused: Vec<String> =
            self.unused().into_iter().map(|key| format!("model.{key}")).collect();
        for key in &unused {
            ensure!(
                key == "model.layer" || !set.contains(&key.as_str()),
                "{key} means nothing to model.backbone = \"{}\"; leave it out or choose another \
                 backbone",
                backbone.key()
            );
        }
        let line = (!unused.is_empty()).then(|| {
            let verb = if unused.len() == 1 { "has" } else { "have" };
            format!("model: {}; {} {verb} no effect", self.name(), unused.join(", "))
        });
        Ok((self.complete(backbone), line))
    }

    /// Refuses a condition, for a program that has none to give.
    ///
    /// # Errors
    /// If the network is to be given one.
    pub fn refuse_condition(&self) -> Result<()> {
        ensure!(
            self.condition.is_none(),
            "model.condition is for networks that are given one; here there is none: leave it out"
        );
        Ok(())
    }

    /// Checks what the types cannot.
    ///
    /// # Errors
    /// With the offending key, its value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        self.check_sections()?;
        if let Some(condition) = self.condition {
            check_sizes(&[("condition", condition)]).context("model")?;
            ensure!(
                self.backbone() == Backbone::Sashimi || self.backbone().is_stack(),
                "model.condition is for backbones of residual blocks, not for {}: leave it out",
                self.backbone().key()
            );
        }
        if let Some(adaptive) = &self.adaptive {
            adaptive.validate(self.width()).context("model.adaptive")?;
            ensure!(
                self.encoder.unwrap_or_default() == EncoderInit::Normal,
                "model.encoder is how an embedding without clusters begins: leave it or model.adaptive out"
            );
        }
        for (key, is_given) in
            [("lags", self.lags.is_some()), ("logistics", self.logistics.is_some())]
        {
            ensure!(
                !is_given || !matches!(self.backbone(), Backbone::SampleRnn | Backbone::Resnext),
                "model.{key} means nothing to model.backbone = \"{}\": leave it out",
                self.backbone().key()
            );
        }
        if let Some(lags) = &self.lags {
            let is_rising = lags.is_sorted_by(|a, b| a < b);
            let is_in_range = lags.iter().all(|lag| (2..=MAX_LAG).contains(lag));
            ensure!(
                is_rising && is_in_range,
                "model.lags is {lags:?}; places before the next token rise, from 2 to {MAX_LAG}: 1 is the token that \
                 every model has"
            );
            ensure!(
                self.adaptive.is_none(),
                "model.lags is for embeddings without clusters: leave it or model.adaptive out"
            );
        }
        if let Some(logistics) = &self.logistics {
            logistics.validate().context("model.logistics")?;
            ensure!(
                self.adaptive.is_none(),
                "model.logistics and model.adaptive are both scores of the next token: leave one out"
            );
        }
        let stack = self.stack();
        match self.backbone() {
            Backbone::Sashimi => self.sashimi().validate().context("model")?,
            _ => stack.validate().context("model")?,
        }
        match self.backbone() {
            Backbone::S4 | Backbone::Sashimi => {
                self.layer.validate().context("model.layer")?;
                self.layer.ssm.validate().context("model.layer.ssm")
            }
            Backbone::Transformer | Backbone::LinearAttention => {
                let attention = self.attention.clone().unwrap_or_default();
                attention.validate(stack.d_model).context("model.attention")
            }
            Backbone::Lstm | Backbone::Gru => Ok(()),
            Backbone::Dilated => {
                self.dilated.clone().unwrap_or_default().validate().context("model.dilated")
            }
            Backbone::WaveNet => self.wavenet().validate().context("model.wavenet"),
            Backbone::SampleRnn => self.samplernn().validate().context("model.samplernn"),
            Backbone::StackedRnn => {
                self.stacked_rnn().validate(stack.d_model).context("model.stacked_rnn")
            }
            Backbone::Resnext => self.resnext().validate().context("model.resnext"),
        }
    }

    /// Refuses sections of other backbones.
    fn check_sections(&self) -> Result<()> {
        use Backbone::*;
        let sections: [(_, _, &[Backbone]); 7] = [
            ("attention", self.attention.is_some(), &[Transformer, LinearAttention]),
            ("recurrent", self.recurrent.is_some(), &[Lstm, Gru]),
            ("dilated", self.dilated.is_some(), &[Dilated]),
            ("wavenet", self.wavenet.is_some(), &[WaveNet]),
            ("samplernn", self.samplernn.is_some(), &[SampleRnn]),
            ("stacked_rnn", self.stacked_rnn.is_some(), &[StackedRnn]),
            ("resnext", self.resnext.is_some(), &[Resnext]),
        ];
        let backbone = self.backbone();
        for (section, given, owners) in sections {
            let names: Vec<_> = owners.iter().map(|owner| owner.key()).collect();
            ensure!(
                !given || owners.contains(&backbone),
                "model.{section} means nothing to model.backbone = \"{}\": it is for {}. Leave the \
                 section out or choose another backbone",
                backbone.key(),
                names.join(" and ")
            );
        }
        Ok(())
    }
}

/// How a sequence becomes one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// Mean over the valid positions.
    #[default]
    #[serde(rename = "pool", alias = "mean")]
    Mean,
    /// Sum over the valid positions.
    Sum,
    /// The last valid position.
    Last,
    /// The first position.
    First,
}

/// Initial values of the embedding, and of the map to scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EncoderInit {
    /// Normal values: codes that have nothing to do with each other, as officially.
    #[default]
    Normal,
    /// Random Fourier features of the code's place between the lowest and the highest (Rahimi and
    /// Recht 2007), for embedding and scores: codes of similar samples begin alike, and the next
    /// code begins as one near the last. The model need not learn that then.
    Fourier,
}
