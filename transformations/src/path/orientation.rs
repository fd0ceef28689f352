//! Mirrored and turned by right angles: dots that a path joins are joined from every side.

use anyhow::{Result, ensure};
use rand_chacha::ChaCha8Rng;

use crate::Effect;
use crate::content::{Kind, Picture};
use crate::picture::corruption::{Constants, Corruption};

/// Left becomes right.
pub(crate) const FLIP_HORIZONTAL: Corruption<()> =
    oriented("flip-horizontal", "left becomes right", |picture, (), _| {
        let last = picture.width - 1;
        Ok(picture.made_of(|row, column, colour| picture.at(row, last - column, colour)))
    });

/// Above becomes below.
pub(crate) const FLIP_VERTICAL: Corruption<()> =
    oriented("flip-vertical", "above becomes below", |picture, (), _| {
        let last = picture.height() - 1;
        Ok(picture.made_of(|row, column, colour| picture.at(last - row, column, colour)))
    });

/// A quarter turn to the left.
pub(crate) const ROTATE_90: Corruption<()> =
    oriented("rotate-90", "a quarter turn to the left", |picture, (), _| {
        let last = last_of_square(picture)?;
        Ok(picture.made_of(|row, column, colour| picture.at(column, last - row, colour)))
    });

/// A half turn.
pub(crate) const ROTATE_180: Corruption<()> =
    oriented("rotate-180", "a half turn", |picture, (), _| {
        let (bottom, right) = (picture.height() - 1, picture.width - 1);
        Ok(picture.made_of(|row, column, colour| picture.at(bottom - row, right - column, colour)))
    });

/// A quarter turn to the right.
pub(crate) const ROTATE_270: Corruption<()> =
    oriented("rotate-270", "a quarter turn to the right", |picture, (), _| {
        let last = last_of_square(picture)?;
        Ok(picture.made_of(|row, column, colour| picture.at(last - column, row, colour)))
    });

const fn oriented(
    name: &'static str,
    about: &'static str,
    apply: fn(&Picture, (), &mut ChaCha8Rng) -> Result<Picture>,
) -> Corruption<()> {
    Corruption {
        name,
        about,
        kinds: &[Kind::Path],
        effect: Effect::Invariant,
        constants: Constants::One(()),
        strength: |()| "whole".to_owned(),
        apply,
    }
}

fn last_of_square(picture: &Picture) -> Result<usize> {
    let (width, height) = (picture.width, picture.height());
    ensure!(width == height, "a picture of {width} x {height} pixels does not fit on its side");
    Ok(width - 1)
}
