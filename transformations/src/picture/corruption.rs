//! A change of a picture that leaves its label alone.

use anyhow::{Context, Result};
use datasets::batch::Label;
use rand_chacha::ChaCha8Rng;

use crate::content::{Content, Kind, Picture};
use crate::{Changed, Effect, Severity, Transformation};

/// A change of a picture that leaves its size and its label alone.
pub(crate) struct Corruption<T: 'static> {
    pub name: &'static str,
    pub about: &'static str,
    pub kinds: &'static [Kind],
    pub effect: Effect,
    pub constants: Constants<T>,
    /// A constant in the units of the field.
    pub strength: fn(T) -> String,
    /// The change; values outside of [0, 1] are clipped afterwards.
    pub apply: fn(&Picture, T, &mut ChaCha8Rng) -> Result<Picture>,
}

/// What sets the strength.
pub(crate) enum Constants<T: 'static> {
    /// There is one strength only.
    One(T),
    /// The same for pictures of all sizes.
    Five([T; 5]),
    /// By the size of the picture.
    Sized {
        /// CIFAR-10-C's (Hendrycks and Dietterich 2019, `make_cifar_c.py`).
        cifar: [T; 5],
        /// ImageNet-C's, which MNIST-C (Mu and Gilmer 2019, `corruptions.py`) has too.
        imagenet: [T; 5],
    },
}

impl<T: Copy> Constants<T> {
    /// The constant for pictures of `width` pixels a row. Those of CIFAR-10-C are for its 32; much
    /// larger pictures need ImageNet-C's, and the digits of MNIST-C, of 28, stand them.
    fn of(&self, width: usize, severity: Severity) -> T {
        match *self {
            Self::One(constant) => constant,
            Self::Five(five) => severity.of(five),
            Self::Sized { cifar, .. } if (32..64).contains(&width) => severity.of(cifar),
            Self::Sized { imagenet, .. } => severity.of(imagenet),
        }
    }
}

impl<T: Copy + Send + Sync> Transformation for Corruption<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn kinds(&self) -> &'static [Kind] {
        self.kinds
    }

    fn effect(&self) -> Effect {
        self.effect
    }

    fn severities(&self) -> &'static [Severity] {
        match self.constants {
            Constants::One(_) => Severity::ONE,
            _ => &Severity::ALL,
        }
    }

    fn strength(&self, severity: Severity) -> String {
        let at = |width| (self.strength)(self.constants.of(width, severity));
        match self.constants {
            Constants::Sized { .. } => format!("{} at 32x32, else {}", at(32), at(28)),
            _ => at(32),
        }
    }

    fn strength_for(&self, severity: Severity, content: &Content) -> String {
        match content {
            Content::Picture(picture) => {
                (self.strength)(self.constants.of(picture.width, severity))
            }
            _ => self.strength(severity),
        }
    }

    fn apply(
        &self,
        content: &Content,
        label: &Label,
        severity: Severity,
        random: &mut ChaCha8Rng,
        _: &[Content],
    ) -> Result<Changed> {
        let picture = match content {
            Content::Picture(picture) if !picture.values.is_empty() => Some(picture),
            _ => None,
        };
        let picture = picture.with_context(|| format!("{} is for pictures", self.name))?;
        let constant = self.constants.of(picture.width, severity);
        let mut changed = (self.apply)(picture, constant, random)?;
        for value in &mut changed.values {
            *value = value.clamp(0.0, 1.0);
        }
        Ok(Changed::same(changed, label))
    }
}

/// A picture each of whose values follows from the one that it had.
pub(crate) fn mapped(picture: &Picture, value: impl FnMut(f32) -> f32) -> Picture {
    Picture { values: picture.values.iter().copied().map(value).collect(), ..*picture }
}
