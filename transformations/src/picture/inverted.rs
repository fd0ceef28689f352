//! The negative.

use super::corruption::{Constants, Corruption, mapped};
use crate::Effect;
use crate::content::Kind;

/// Black becomes white. A thing in negative is the same to people, but less sure.
pub(crate) const INVERTED: Corruption<()> = Corruption {
    name: "inverted",
    about: "the negative",
    kinds: &[Kind::Picture],
    effect: Effect::Directional,
    constants: Constants::One(()),
    strength: |()| "whole".to_owned(),
    apply: |picture, (), _| Ok(mapped(picture, |value| 1.0 - value)),
};
