//! From what data is to what a classifier must be.

use anyhow::{Result, bail};
use datasets::shape::{self, Target};

use crate::model::{InputKind, Shape};

impl From<shape::InputKind> for InputKind {
    fn from(input: shape::InputKind) -> Self {
        match input {
            shape::InputKind::Tokens { vocabulary } => InputKind::Tokens { vocabulary },
            shape::InputKind::Values { features } => InputKind::Values { features },
        }
    }
}

impl TryFrom<&shape::Shape> for Shape {
    type Error = anyhow::Error;

    fn try_from(shape: &shape::Shape) -> Result<Self> {
        let (names, pairs) = match &shape.target {
            Target::Classes(names) => (names, false),
            Target::Pair(names) => (names, true),
            other => bail!("a classifier is for classes, not for {other:?}"),
        };
        Ok(Self { input: shape.input.into(), classes: names.len() as i64, pairs })
    }
}
