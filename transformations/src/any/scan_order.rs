//! The same, read backwards.

use anyhow::{Result, bail};
use datasets::batch::Label;
use rand_chacha::ChaCha8Rng;

use crate::content::{Content, Kind, Picture, Series};
use crate::{Changed, Effect, Severity, Transformation};

/// From the last pixel, sample or letter to the first. What is to be seen or heard stays in it, but a
/// model that learned one order need not find it.
pub(crate) struct ScanOrder;

impl Transformation for ScanOrder {
    fn name(&self) -> &'static str {
        "scan-order"
    }

    fn about(&self) -> &'static str {
        "read from the end to the beginning"
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Picture, Kind::Sound, Kind::Series, Kind::Text]
    }

    fn effect(&self) -> Effect {
        Effect::Directional
    }

    fn severities(&self) -> &'static [Severity] {
        Severity::ONE
    }

    fn strength(&self, _: Severity) -> String {
        "whole".to_owned()
    }

    fn apply(
        &self,
        content: &Content,
        label: &Label,
        _: Severity,
        _: &mut ChaCha8Rng,
        _: &[Content],
    ) -> Result<Changed> {
        let content = match content {
            Content::Picture(picture) => {
                let values = backwards(&picture.values, picture.colours);
                Picture { values, ..*picture }.into()
            }
            Content::Sound(sound) => sound.of(backwards(&sound.samples, 1)).into(),
            Content::Series(Series { values, features }) => {
                Series { values: backwards(values, *features), features: *features }.into()
            }
            Content::Text(text) => text.chars().rev().collect::<String>().into(),
            Content::Expression(_) => bail!("an expression means nothing backwards"),
        };
        Ok(Changed { content, label: label.clone() })
    }
}

/// Groups of `size` values, the last first.
fn backwards(values: &[f32], size: usize) -> Vec<f32> {
    values.chunks(size).rev().flatten().copied().collect()
}
