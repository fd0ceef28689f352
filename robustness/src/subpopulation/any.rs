//! Scores of any example.

use transformations::content::{Content, Kind};

use super::{Known, Measure, Value};

/// The class that is right.
pub(super) const LABEL: Measure = Measure {
    name: "label",
    about: "the class that is right",
    kinds: &Kind::ALL,
    is_number: false,
    of: |_, known| Ok(class(known, known.verdict.label)),
};

/// The class that the model says.
pub(super) const PREDICTED: Measure = Measure {
    name: "predicted",
    about: "the class that the model says",
    kinds: &Kind::ALL,
    is_number: false,
    of: |_, known| Ok(class(known, known.verdict.predicted)),
};

/// How sure the model is.
pub(super) const CONFIDENCE: Measure = Measure {
    name: "confidence",
    about: "the probability that the model gives to what it says",
    kinds: &Kind::ALL,
    is_number: true,
    of: |_, known| Ok(Some(Value::Number(known.verdict.confidence))),
};

/// How long it is.
pub(super) const LENGTH: Measure = Measure {
    name: "length",
    about: "characters, tokens, seconds or positions",
    kinds: &[Kind::Sound, Kind::Text, Kind::Expression, Kind::Series],
    is_number: true,
    of: |item, _| {
        Ok(Some(Value::Number(match &item.content {
            Content::Picture(picture) => (picture.values.len() / picture.colours) as f64,
            Content::Sound(sound) => sound.samples.len() as f64 / f64::from(sound.rate),
            Content::Text(text) => text.chars().count() as f64,
            Content::Expression(expression) => expression.tokens().len() as f64,
            Content::Series(series) => (series.values.len() / series.features) as f64,
        })))
    },
};

fn class(known: &Known<'_>, class: Option<usize>) -> Option<Value> {
    let name = class.and_then(|class| known.subject.about().classes.get(class).cloned());
    name.map(Value::Name)
}
