//! Scores of any example.

use anyhow::Result;
use transformations::content::{Content, Kind};

use super::{Known, Score, Value};
use crate::subject::Item;

fn class(subject: &Known<'_>, class: Option<usize>) -> Option<Value> {
    let name = class.and_then(|class| subject.subject.about().classes.get(class).cloned());
    name.map(Value::Name)
}

/// The class that is right.
pub(super) struct Label;

impl Score for Label {
    fn name(&self) -> &'static str {
        "label"
    }

    fn about(&self) -> &'static str {
        "the class that is right"
    }

    fn kinds(&self) -> &'static [Kind] {
        &Kind::ALL
    }

    fn is_number(&self) -> bool {
        false
    }

    fn of(&self, _: &Item, known: &Known<'_>) -> Result<Option<Value>> {
        Ok(class(known, known.verdict.label))
    }
}

/// The class that the model says.
pub(super) struct Predicted;

impl Score for Predicted {
    fn name(&self) -> &'static str {
        "predicted"
    }

    fn about(&self) -> &'static str {
        "the class that the model says"
    }

    fn kinds(&self) -> &'static [Kind] {
        &Kind::ALL
    }

    fn is_number(&self) -> bool {
        false
    }

    fn of(&self, _: &Item, known: &Known<'_>) -> Result<Option<Value>> {
        Ok(class(known, known.verdict.predicted))
    }
}

/// How sure the model is.
pub(super) struct Confidence;

impl Score for Confidence {
    fn name(&self) -> &'static str {
        "confidence"
    }

    fn about(&self) -> &'static str {
        "the probability that the model gives to what it says"
    }

    fn kinds(&self) -> &'static [Kind] {
        &Kind::ALL
    }

    fn of(&self, _: &Item, known: &Known<'_>) -> Result<Option<Value>> {
        Ok(Some(Value::Number(known.verdict.confidence)))
    }
}

/// How long it is.
pub(super) struct Length;

impl Score for Length {
    fn name(&self) -> &'static str {
        "length"
    }

    fn about(&self) -> &'static str {
        "characters, tokens, seconds or positions"
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Sound, Kind::Text, Kind::Expression, Kind::Series]
    }

    fn of(&self, item: &Item, _: &Known<'_>) -> Result<Option<Value>> {
        Ok(Some(Value::Number(match &item.content {
            Content::Picture(picture) => (picture.values.len() / picture.colours) as f64,
            Content::Sound(sound) => sound.samples.len() as f64 / f64::from(sound.rate),
            Content::Text(text) => text.chars().count() as f64,
            Content::Expression(expression) => expression.tokens().len() as f64,
            Content::Series(series) => (series.values.len() / series.features) as f64,
        })))
    }
}
