//! What was joined no longer is.

use anyhow::{Context, Result, bail, ensure};
use datasets::batch::Label;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::tracer::tracer;
use crate::content::{Content, Kind, Picture};
use crate::{Changed, Effect, Severity, Transformation, Unchanged};

/// Neighbouring dashes of the path that joins the dots are erased, so that nothing joins them. The
/// fewer, the harder it is to see.
pub(crate) struct CutPath;

/// Of the path's dashes, erased. The strengths are ours.
const SHARE: [f64; 5] = [0.5, 0.4, 0.3, 0.2, 0.1];

/// The class of pictures whose dots are joined.
const JOINED: i64 = 1;

/// The class of all others.
const APART: i64 = 0;

impl Transformation for CutPath {
    fn name(&self) -> &'static str {
        "cut-path"
    }

    fn about(&self) -> &'static str {
        "the path between the dots interrupted"
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Path]
    }

    fn effect(&self) -> Effect {
        Effect::Recomputed
    }

    fn strength(&self, severity: Severity) -> String {
        format!("{:.0}% of the dashes", 100.0 * severity.of(SHARE))
    }

    fn apply(
        &self,
        content: &Content,
        label: &Label,
        severity: Severity,
        random: &mut ChaCha8Rng,
        _: &[Content],
    ) -> Result<Changed> {
        let Content::Picture(picture) = content else { bail!("cut-path is for pictures of paths") };
        ensure!(*label == JOINED.into(), Unchanged);
        let pixels = picture.bytes();
        let tracer = tracer(picture)?;
        let path = tracer.joining(&pixels).context("the path between the dots was not found")?;
        // The dots hide the first and the last.
        let between = path.paddles.len() - 2;
        let count = ((path.paddles.len() as f64 * severity.of(SHARE)).round() as usize).max(1);
        let first = 1 + random.random_range(0..=(between - count) as u32) as usize;
        let bytes = tracer.without(&pixels, &path, first..first + count);
        let values = bytes.into_iter().map(|byte| f32::from(byte) / 255.0).collect();
        Ok(Changed { content: Picture { values, ..*picture }.into(), label: APART.into() })
    }
}
