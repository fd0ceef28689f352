//! Nothing before and after.

use anyhow::Result;
use datasets::batch::Label;
use rand_chacha::ChaCha8Rng;

use crate::content::{Content, Kind, Series, Sound};
use crate::{Changed, Effect, Severity, Transformation};

/// Silence, zeros or spaces before the beginning: what was recorded came later.
pub(crate) struct Padding;

/// Share of the length that is added.
const SHARE: [f64; 5] = [0.02, 0.05, 0.1, 0.2, 0.4];

impl Transformation for Padding {
    fn name(&self) -> &'static str {
        "padding"
    }

    fn about(&self) -> &'static str {
        "silence, zeros or spaces in front"
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Sound, Kind::Series, Kind::Text]
    }

    fn effect(&self) -> Effect {
        Effect::Invariant
    }

    fn strength(&self, severity: Severity) -> String {
        format!("{:.0}% of the length", 100.0 * severity.of(SHARE))
    }

    fn apply(
        &self,
        content: &Content,
        label: &Label,
        severity: Severity,
        _: &mut ChaCha8Rng,
        _: &[Content],
    ) -> Result<Changed> {
        let added = |length: usize| (length as f64 * severity.of(SHARE)).ceil() as usize;
        let zeros = |count: usize| std::iter::repeat_n(0.0f32, count);
        let content = match content {
            Content::Sound(sound) => {
                let silence = zeros(added(sound.samples.len()));
                let samples = silence.chain(sound.samples.iter().copied()).collect();
                Sound { rate: sound.rate, samples }.into()
            }
            Content::Series(Series { values, features }) => {
                let before = zeros(added(values.len() / features) * features);
                Series {
                    values: before.chain(values.iter().copied()).collect(),
                    features: *features,
                }
                .into()
            }
            Content::Text(text) => (" ".repeat(added(text.chars().count())) + text).into(),
            Content::Picture(_) | Content::Expression(_) => content.clone(),
        };
        Ok(Changed { content, label: label.clone() })
    }
}
