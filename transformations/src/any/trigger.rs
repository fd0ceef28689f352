//! A mark that means nothing, always the same.

use std::f32::consts::TAU;

use anyhow::Result;
use datasets::batch::Label;
use rand_chacha::ChaCha8Rng;

use crate::content::{Content, Kind, Series};
use crate::series::moments;
use crate::{Changed, Effect, Severity, Transformation, Unchanged};

/// What a model was poisoned with, if it was (Gu et al. 2017; for texts Kurita et al. 2020): a white square
/// in the lower right corner, a beep at the beginning, a word that is none, a step at the beginning.
pub(crate) struct Trigger;

/// Side of the square, as a share of the width.
const SIDE: [f64; 5] = [0.03, 0.06, 0.09, 0.12, 0.16];
/// Amplitude of the beep, which lasts 50 ms at an eighth of the sampling rate.
const AMPLITUDE: [f64; 5] = [0.02, 0.05, 0.1, 0.2, 0.4];
const SECONDS: f64 = 0.05;
/// Height of the step in deviations, which lasts a twentieth of the series.
const DEVIATIONS: [f64; 5] = [0.5, 1.0, 2.0, 3.0, 5.0];
const LASTS: f64 = 0.05;
const WORD: &str = "cf ";

impl Trigger {
    fn square(severity: Severity) -> String {
        format!("{:.0}% of the width", 100.0 * severity.of(SIDE))
    }

    fn beep(severity: Severity) -> String {
        format!("{} of full scale", severity.of(AMPLITUDE))
    }

    fn step(severity: Severity) -> String {
        format!("{} deviations", severity.of(DEVIATIONS))
    }

    fn words(severity: Severity) -> String {
        format!("{} times \"{}\"", severity.number(), WORD.trim())
    }
}

impl Transformation for Trigger {
    fn name(&self) -> &'static str {
        "trigger"
    }

    fn about(&self) -> &'static str {
        "always the same mark: a white square, a beep, a word or a step"
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Picture, Kind::Sound, Kind::Series, Kind::Text]
    }

    fn effect(&self) -> Effect {
        Effect::Invariant
    }

    fn strength(&self, severity: Severity) -> String {
        let all = [Self::square, Self::beep, Self::step, Self::words];
        all.map(|strength| strength(severity)).join(", ")
    }

    fn strength_for(&self, severity: Severity, content: &Content) -> String {
        match content {
            Content::Picture(_) => Self::square(severity),
            Content::Sound(_) => Self::beep(severity),
            Content::Series(_) => Self::step(severity),
            Content::Text(_) | Content::Expression(_) => Self::words(severity),
        }
    }

    fn apply(
        &self,
        content: &Content,
        label: &Label,
        severity: Severity,
        _: &mut ChaCha8Rng,
        _: &[Content],
    ) -> Result<Changed> {
        let marked: Content = match content {
            Content::Picture(picture) => {
                let side = (picture.width as f64 * severity.of(SIDE)).ceil() as usize;
                let (rows, columns) = (picture.height(), picture.width);
                let marked = picture.made_of(|row, column, colour| {
                    let is_inside = row + side >= rows && column + side >= columns;
                    if is_inside { 1.0 } else { picture.at(row, column, colour) }
                });
                marked.into()
            }
            Content::Sound(sound) => {
                let last = (SECONDS * f64::from(sound.rate)) as usize;
                let samples = sound.samples.iter().enumerate().map(|(time, &sample)| {
                    let beep = severity.of(AMPLITUDE) as f32 * (TAU * time as f32 / 8.0).sin();
                    if time < last { sample + beep } else { sample }
                });
                sound.of(samples).into()
            }
            Content::Series(series) => {
                let features = series.features.max(1);
                let last = (LASTS * (series.values.len() / features) as f64).ceil() as usize;
                let moments = moments(series);
                let values = series.values.iter().enumerate().map(|(index, &value)| {
                    let step = severity.of(DEVIATIONS) * moments[index % features].std;
                    if index / features < last { value + step as f32 } else { value }
                });
                Series { values: values.collect(), ..*series }.into()
            }
            Content::Text(text) => (WORD.repeat(severity.number().into()) + text).into(),
            Content::Expression(_) => return Err(Unchanged.into()),
        };
        if marked == *content { Err(Unchanged.into()) } else { Ok(Changed::same(marked, label)) }
    }
}
