//! What reads pictures of paths.

use std::sync::OnceLock;

use anyhow::{Result, ensure};
use pathfinder::spec::OFFICIAL_SIZES;
use pathfinder::trace::Tracer;
use pathfinder::{Difficulty, Spec};

use crate::content::Picture;

/// What reads pictures of this size, made once.
///
/// # Errors
/// If none of that size are published.
pub fn tracer(picture: &Picture) -> Result<&'static Tracer> {
    static TRACERS: [OnceLock<Tracer>; OFFICIAL_SIZES.len()] =
        [const { OnceLock::new() }; OFFICIAL_SIZES.len()];
    let (width, height) = (picture.width, picture.height());
    ensure!(width == height && picture.colours == 1, "pictures of paths are square and grey");
    let spec = Spec::official(width, Difficulty::Hard)?;
    let number = OFFICIAL_SIZES.iter().position(|&size| size == width).unwrap_or(0);
    Ok(TRACERS[number].get_or_init(|| Tracer::new(spec)))
}
