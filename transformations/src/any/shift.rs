//! The same, somewhere else.

use anyhow::Result;
use datasets::batch::Label;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::content::{Content, Kind, Series};
use crate::{Changed, Effect, Severity, Transformation};

/// Later or earlier: what leaves at one end is gone, zeros come in at the other. The length stays.
pub(crate) struct Shift;

/// Furthest shift, as a share of the length or width.
const SHARE: [f64; 5] = [0.02, 0.04, 0.07, 0.11, 0.15];

impl Transformation for Shift {
    fn name(&self) -> &'static str {
        "shift"
    }

    fn about(&self) -> &'static str {
        "moved to either side, zeros in its place"
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Picture, Kind::Sound, Kind::Series]
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
        random: &mut ChaCha8Rng,
        _: &[Content],
    ) -> Result<Changed> {
        let mut by = |length: usize| {
            let by = (length as f64 * severity.of(SHARE)).ceil() as i64;
            if random.random() { by } else { -by }
        };
        let content = match content {
            Content::Picture(picture) => {
                let (rows, columns) = (by(picture.height()), by(picture.width));
                let moved = picture.made_of(|row, column, colour| {
                    picture.or_black(row as i64 - rows, column as i64 - columns, colour)
                });
                moved.into()
            }
            Content::Sound(sound) => {
                sound.of(moved(&sound.samples, by(sound.samples.len()), 1)).into()
            }
            Content::Series(Series { values, features }) => {
                let values = moved(values, by(values.len() / features), *features);
                Series { values, features: *features }.into()
            }
            Content::Text(_) | Content::Expression(_) => content.clone(),
        };
        Ok(Changed { content, label: label.clone() })
    }
}

/// Rows of `features` values later by `by` of them.
fn moved(values: &[f32], by: i64, features: usize) -> Vec<f32> {
    let by = by * features as i64;
    let from = |index: usize| usize::try_from(index as i64 - by).ok();
    (0..values.len())
        .map(|index| from(index).and_then(|from| values.get(from)).copied().unwrap_or(0.0))
        .collect()
}
