//! Noise that was recorded.

use anyhow::Result;
use datasets::batch::Label;
use rand_chacha::ChaCha8Rng;

use super::noise::{mixed, noise, one_of};
use crate::change::Change;
use crate::content::{Content, Kind, Sound};
use crate::{Changed, Effect, Severity, Transformation};

/// A part of a recording of noise, such as those of Speech Commands, at a signal-to-noise ratio.
pub(crate) struct BackgroundNoise;

const CHANGE: Change<Sound> = noise(
    "background-noise",
    "recordings of noise: `_background_noise_` of the data, or a folder of your own",
    |sound, severity, random, recordings| {
        mixed(sound, one_of(recordings, sound.samples.len(), random)?, severity)
    },
);

impl Transformation for BackgroundNoise {
    fn name(&self) -> &'static str {
        CHANGE.name()
    }

    fn about(&self) -> &'static str {
        CHANGE.about()
    }

    fn kinds(&self) -> &'static [Kind] {
        CHANGE.kinds()
    }

    fn effect(&self) -> Effect {
        CHANGE.effect()
    }

    fn strength(&self, severity: Severity) -> String {
        CHANGE.strength(severity)
    }

    fn mixes_noise(&self) -> bool {
        true
    }

    fn apply(
        &self,
        content: &Content,
        label: &Label,
        severity: Severity,
        random: &mut ChaCha8Rng,
        others: &[Content],
    ) -> Result<Changed> {
        CHANGE.apply(content, label, severity, random, others)
    }
}
