//! Scores of pictures.

use transformations::content::{Content, Kind};

use super::{Measure, Value};
use crate::subject::Item;

const KINDS: &[Kind] = &[Kind::Picture, Kind::Path];

/// Mean of all values.
pub(super) const BRIGHTNESS: Measure = Measure {
    name: "brightness",
    about: "mean of the values, 0 to 1",
    kinds: KINDS,
    is_number: true,
    of: |item, _| Ok(moments(item).map(|(mean, _)| Value::Number(mean))),
};

/// Their deviation.
pub(super) const CONTRAST: Measure = Measure {
    name: "contrast",
    about: "standard deviation of the values",
    kinds: KINDS,
    is_number: true,
    of: |item, _| Ok(moments(item).map(|(_, deviation)| Value::Number(deviation))),
};

fn moments(item: &Item) -> Option<(f64, f64)> {
    let Content::Picture(picture) = &item.content else { return None };
    let count = picture.values.len() as f64;
    let mean = picture.values.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
    let squares = picture.values.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>();
    Some((mean, (squares / count).sqrt()))
}
