//! Scores of pictures of paths. (Distractors are as long in all pictures of a level.)

use anyhow::Result;
use transformations::content::{Content, Kind, Picture};
use transformations::tracer;

use super::{Measure, Value};
use crate::subject::Item;

/// How long the way is.
pub(super) const DASHES: Measure = Measure {
    name: "path-length",
    about: "dashes of the path between the dots, of pictures where one joins them",
    kinds: &[Kind::Path],
    is_number: true,
    of: |item, _| {
        if item.label != 1.into() {
            return Ok(None);
        }
        let Some(picture) = picture(item) else { return Ok(None) };
        let path = tracer(picture)?.joining(&picture.bytes());
        Ok(path.map(|path| Value::Number(path.paddles.len() as f64)))
    },
};

/// How far it leads.
pub(super) const DISTANCE: Measure = Measure {
    name: "ends-distance",
    about: "distance of the two dots, of the side",
    kinds: &[Kind::Path],
    is_number: true,
    of: |item, _| -> Result<Option<Value>> {
        let Some(picture) = picture(item) else { return Ok(None) };
        let markers = tracer(picture)?.markers(&picture.bytes());
        Ok(markers.map(|[a, b]| {
            let (rows, columns) = (f64::from(a.0 - b.0), f64::from(a.1 - b.1));
            Value::Number(rows.hypot(columns) / picture.width as f64)
        }))
    },
};

fn picture(item: &Item) -> Option<&Picture> {
    match &item.content {
        Content::Picture(picture) => Some(picture),
        _ => None,
    }
}
