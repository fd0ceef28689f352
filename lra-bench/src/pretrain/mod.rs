//! Pretraining: what is learned of sequences without their labels, for others to start from.
//!
//! A run with a `[pretrain]` section is one of pretraining. [`objective::Pretraining`] trains encoder
//! and backbone under their usual names, and beside them what is thrown away, `pretraining.*`.

mod known;
pub mod masks;
mod mix;
pub mod objective;

use std::fmt;
use std::ops::RangeInclusive;

use anyhow::{Error, Result, ensure};
use datasets::examples::view::View;
use datasets::medium::{Medium, Motif, Pictures};
use program::exit::usage;
use s4_config::{Input, NetworkConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use strum::{Display, EnumString};
use toml::Table;
use training::train_config::TrainConfig;

use crate::experiment::Experiment;

pub(crate) use known::known;
pub(crate) use mix::mixed;

/// Values of a grey pixel.
pub(crate) const GREYS: i64 = 256;
/// Shortest and longest span of sound that is masked, in seconds: single samples are solved by
/// interpolation.
const SPAN: [f64; 2] = [0.01, 0.1];

/// How a run is pretrained. What is absent follows from the data, and is kept with the run.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PretrainConfig {
    /// What is asked: `masked`, for backbones that look ahead, positions that were hidden; `causal`, for
    /// those that do not, the next position.
    pub objective: Option<Question>,
    /// Share of the positions that are masked, above 0 and below 1. Default: 0.5 of pictures, 0.15 of
    /// texts, 0.1 of expressions, 0.25 of sound and series.
    pub rate: Option<f64>,
    /// Shortest and longest span of positions that are masked together. Default: of sound 10 to 100 ms,
    /// else [1, 1], each position by itself.
    pub span: Option<[usize; 2]>,
    /// `cross-entropy` over tokens or the 256 values of grey pixels, or `l1`, the mean absolute error of
    /// values. Default: the former for tokens and for pictures of paths.
    pub loss: Option<Loss>,
    /// Further data that is mixed in, each example as often.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<Source>,
}

/// What is asked of a sequence.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case", parse_err_fn = unknown, parse_err_ty = Error)]
pub enum Question {
    /// What stands at the positions that are masked.
    Masked,
    /// What comes next.
    Causal,
}

fn unknown(name: &str) -> Error {
    usage(format!("there is no objective `{name}`; objectives: masked, causal"))
}

/// How answers are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// Mean absolute error.
    L1,
    /// Of tokens, or of grey values.
    CrossEntropy,
}

/// Data of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Name of the task.
    pub task: String,
    /// Where its data comes from, as in `[data]`.
    #[serde(default)]
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub data: Table,
}

impl Source {
    /// It as the data of an experiment of its own.
    pub(crate) fn alone(self) -> Experiment {
        let Self { task, data } = self;
        let (model, train) = (NetworkConfig::default(), TrainConfig::default());
        Experiment { task, data, model, train, pretrain: None }
    }
}

impl fmt::Display for PretrainConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.objective, self.rate) {
            (Some(Question::Masked), Some(rate)) => {
                write!(f, "{:.0}% of the positions are masked", 100.0 * rate)?;
                let (shortest, longest) = self.spans().into_inner();
                if longest > 1 {
                    write!(f, ", {shortest} to {longest} at a time")?;
                }
            }
            _ => f.write_str("each position is predicted from those before it")?,
        }
        match self.loss {
            Some(Loss::CrossEntropy) => f.write_str("; cross-entropy"),
            _ => f.write_str("; mean absolute error"),
        }
    }
}

impl PretrainConfig {
    /// Fills in what follows from the model.
    ///
    /// # Errors
    /// If the model cannot be asked.
    pub(crate) fn settle(&mut self, model: &NetworkConfig) -> Result<()> {
        let ahead = model.looks_ahead();
        let natural = if ahead.is_some() { Question::Masked } else { Question::Causal };
        match (*self.objective.get_or_insert(natural), ahead) {
            (Question::Masked, None) => Err(usage(format!(
                "the masked objective is for backbones that look ahead; a causal {} sees nothing of what \
                 follows a mask: use --objective causal, or make it bidirectional (as \
                 model.layer.bidirectional=true)",
                model.name()
            ))),
            (Question::Causal, Some(key)) => Err(usage(format!(
                "the causal objective asks for the next position, which model.{key} = true lets the \
                 backbone see: use --objective masked, or --set model.{key}=false"
            ))),
            _ => Ok(()),
        }
    }

    /// Fills in what follows from the data.
    ///
    /// # Errors
    /// If a setting is out of range, or not for this data.
    pub(crate) fn complete(&mut self, medium: &Medium, input: Input) -> Result<()> {
        let is_tokens = matches!(input, Input::Tokens { .. });
        let (rate, span, is_grey, is_path) = match medium {
            Medium::Pictures(Pictures { moments, motif, .. }) => {
                (0.5, [1, 1], moments.is_empty(), *motif == Motif::Paths)
            }
            Medium::Text(_) => (0.15, [1, 1], false, false),
            Medium::Expressions => (0.1, [1, 1], false, false),
            Medium::Sound { rate, view: View::Samples | View::Codes(..), .. } => {
                let span = SPAN.map(|seconds| ((seconds * f64::from(*rate)) as usize).max(1));
                (0.25, span, false, false)
            }
            Medium::Sound { .. } | Medium::Series => (0.25, [1, 1], false, false),
        };
        if self.objective == Some(Question::Masked) {
            self.rate.get_or_insert(rate);
            self.span.get_or_insert(span);
        }
        let by_class = is_tokens || is_path;
        let loss = *self.loss.get_or_insert(if by_class { Loss::CrossEntropy } else { Loss::L1 });
        ensure!(
            loss != Loss::L1 || !is_tokens,
            "pretrain.loss = \"l1\" is for values, and tokens are none: leave it out"
        );
        ensure!(
            loss == Loss::L1 || is_tokens || is_grey,
            "pretrain.loss = \"cross-entropy\" is for tokens and grey pixels: leave it out"
        );
        Ok(())
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// With the key, its value and what is allowed.
    pub(crate) fn validate(&self) -> Result<()> {
        if let Some(rate) = self.rate {
            ensure!(
                rate > 0.0 && rate < 1.0,
                "pretrain.rate is {rate}; it must be above 0 and below 1"
            );
        }
        if let Some([shortest, longest]) = self.span {
            ensure!(
                shortest >= 1 && longest >= shortest,
                "pretrain.span is [{shortest}, {longest}]: a shortest span of at least 1, then a longest"
            );
        }
        Ok(())
    }

    /// Positions masked together.
    pub(crate) fn spans(&self) -> RangeInclusive<usize> {
        let [shortest, longest] = self.span.unwrap_or([1, 1]);
        shortest..=longest
    }
}
