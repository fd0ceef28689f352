//! What a recording is to a model.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use audio_data::quantise::{Companding, Quantiser, Scaling};
use dsp::mel::{Mel, MelConfig};
use s4_config::Input;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smart_default::SmartDefault;

/// What the samples of a recording are made for a model.
#[derive(Debug, Clone)]
pub enum View {
    /// Samples, standardised.
    Samples,
    /// A spectrogram of the samples as they are.
    Mel(Arc<Mel>),
    /// A token a sample, as models of raw audio have them.
    Codes(Quantiser, Scaling),
}

/// Samples as codes, as in runs of `sashimi`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CodesConfig {
    /// How codes follow from samples: `mu-law`, `a-law` or `linear`.
    #[default(Companding::MuLaw)]
    pub companding: Companding,
    /// Bits of a code, 2 to 16.
    #[default(8)]
    pub bits: u32,
    /// What is stretched to the range of codes: `recording`, what is kept of it by its largest magnitude;
    /// `clip`, by minimum and maximum; or `none`.
    pub scaling: Scaling,
}

impl View {
    /// That which the settings `data.mel` and `data.codes` ask for, at this sampling rate.
    ///
    /// # Errors
    /// If they ask for both, or one of them is out of range.
    pub fn new(
        mel: Option<&MelConfig>,
        codes: Option<&CodesConfig>,
        sample_rate: u32,
    ) -> Result<Self> {
        ensure!(
            mel.is_none() || codes.is_none(),
            "data.mel and data.codes say two things of one recording; leave one of them out"
        );
        if let Some(mel) = mel {
            return Ok(Self::Mel(Mel::new(mel, sample_rate).context("data.mel")?.into()));
        }
        let Some(CodesConfig { companding, bits, scaling }) = codes else {
            return Ok(Self::Samples);
        };
        let quantiser = Quantiser::new(*companding, *bits).context("data.codes")?;
        Ok(Self::Codes(quantiser, *scaling))
    }

    /// What goes into a model.
    pub fn input(&self) -> Input {
        match self {
            Self::Samples => Input::Values { features: 1 },
            Self::Mel(mel) => Input::Values { features: mel.bands() as i64 },
            Self::Codes(quantiser, _) => Input::Tokens { vocabulary: quantiser.levels() as i64 },
        }
    }

    /// In a word, a plural.
    pub fn words(&self) -> &'static str {
        match self {
            Self::Samples => "samples",
            Self::Mel(_) => "spectrograms",
            Self::Codes(..) => "codes",
        }
    }
}
