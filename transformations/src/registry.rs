//! The table of transformations.

use std::sync::{PoisonError, RwLock};

use anyhow::{Result, anyhow, ensure};

use crate::content::Kind;
use crate::{Transformation, any, expression, path, picture, series, sound, text};

/// All of them, in the order in which they are listed. To add one: a file, and a line here.
pub const ALL: &[&dyn Transformation] = &[
    &any::padding::Padding,
    &any::shift::Shift,
    &any::scan_order::ScanOrder,
    &any::trigger::Trigger,
    // Pictures.
    &picture::gaussian_noise::GAUSSIAN_NOISE,
    &picture::shot_noise::SHOT_NOISE,
    &picture::impulse_noise::IMPULSE_NOISE,
    &picture::speckle_noise::SPECKLE_NOISE,
    &picture::gaussian_blur::GAUSSIAN_BLUR,
    &picture::defocus_blur::DEFOCUS_BLUR,
    &picture::glass_blur::GLASS_BLUR,
    &picture::motion_blur::MOTION_BLUR,
    &picture::zoom_blur::ZOOM_BLUR,
    &picture::brightness::BRIGHTNESS,
    &picture::contrast::CONTRAST,
    &picture::saturate::SATURATE,
    &picture::jpeg::JPEG,
    &picture::pixelate::PIXELATE,
    &picture::fog::FOG,
    &picture::elastic::ELASTIC,
    &picture::shear::SHEAR,
    &picture::scale::SCALE,
    &picture::rotate::ROTATE,
    &picture::translate::TRANSLATE,
    &picture::stripe::STRIPE,
    &picture::spatter::SPATTER,
    &picture::dotted_line::DOTTED_LINE,
    &picture::zigzag::ZIGZAG,
    &picture::canny_edges::CANNY_EDGES,
    &picture::inverted::INVERTED,
    // Paths.
    &path::orientation::FLIP_HORIZONTAL,
    &path::orientation::FLIP_VERTICAL,
    &path::orientation::ROTATE_90,
    &path::orientation::ROTATE_180,
    &path::orientation::ROTATE_270,
    &path::cut_path::CutPath,
    // Sound.
    &sound::noise::WHITE,
    &sound::noise::PINK,
    &sound::noise::BABBLE,
    &sound::background_noise::BackgroundNoise,
    &sound::gain::QUIETER,
    &sound::gain::LOUDER,
    &sound::clipping::CLIPPING,
    &sound::dc_offset::DC_OFFSET,
    &sound::band::LOW_PASS,
    &sound::band::HIGH_PASS,
    &sound::telephone::TELEPHONE,
    &sound::mu_law::MU_LAW,
    &sound::lower_rate::LOWER_RATE,
    &sound::reverberation::REVERBERATION,
    &sound::speed::SPEED,
    &sound::dropped_spans::DROPPED_SPANS,
    // Text.
    &text::typos::SWAPS,
    &text::typos::KEYBOARD,
    &text::letters::MISSING,
    &text::letters::ADDED,
    &text::look_alikes::HOMOGLYPHS,
    &text::look_alikes::OCR,
    &text::case::UPPER,
    &text::case::LOWER,
    &text::case::RANDOM,
    &text::whitespace::WHITESPACE,
    &text::punctuation::PUNCTUATION,
    &text::contractions::CONTRACTED,
    &text::contractions::EXPANDED,
    &text::markup::ADDED,
    &text::markup::REMOVED,
    &text::distractor::DISTRACTOR,
    &text::truncation::END,
    &text::truncation::BEGINNING,
    &text::numbers::NUMBERS,
    &text::negation::NEGATION,
    // Expressions.
    &expression::permuted::PERMUTED,
    &expression::longer::NEUTRAL,
    &expression::wrapped::WRAPPED,
    &expression::digits::DIGITS,
    &expression::longer::LONGER,
    &expression::deeper::DEEPER,
    // Series.
    &series::noise::NOISE,
    &series::spikes::SPIKES,
    &series::drift::DRIFT,
    &series::scale::SCALE,
    &series::quantised::QUANTISED,
    &series::missing::MISSING,
];

/// Those of other crates.
static OTHERS: RwLock<Vec<&'static dyn Transformation>> = RwLock::new(Vec::new());

/// Adds a transformation of another crate; from then on it is found by its name.
///
/// # Errors
/// If there is one of that name.
pub fn register(transformation: &'static dyn Transformation) -> Result<()> {
    let name = transformation.name();
    ensure!(find(name).is_err(), "there is a transformation `{name}` already");
    OTHERS.write().unwrap_or_else(PoisonError::into_inner).push(transformation);
    Ok(())
}

fn all() -> Vec<&'static dyn Transformation> {
    let others = OTHERS.read().unwrap_or_else(PoisonError::into_inner);
    ALL.iter().chain(&*others).copied().collect()
}

/// The transformation called `name`.
///
/// # Errors
/// If there is none; the message has the names that there are.
pub fn find(name: &str) -> Result<&'static dyn Transformation> {
    let all = all();
    all.iter().copied().find(|it| it.name() == name).ok_or_else(|| {
        let names: Vec<_> = all.iter().map(|it| it.name()).collect();
        anyhow!("there is no transformation `{name}`; there are {}", names.join(", "))
    })
}

/// Those that can be applied to `kind`.
pub fn of_kind(kind: Kind) -> impl Iterator<Item = &'static dyn Transformation> {
    all().into_iter().filter(move |it| it.kinds().contains(&kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for (number, it) in ALL.iter().enumerate() {
            assert!(ALL[number + 1..].iter().all(|other| other.name() != it.name()));
            assert_eq!(find(it.name()).unwrap().about(), it.about());
            assert!(!it.kinds().is_empty(), "{}", it.name());
        }
        let message = find("nois").map(|it| it.name()).unwrap_err().to_string();
        assert!(message.contains("padding"), "{message}");
    }
}
