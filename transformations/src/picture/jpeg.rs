//! Saved to save space.

use anyhow::Context;
use datasets::examples::images::Colour;
use datasets::examples::pictures::decode;
use jpeg_encoder::{ColorType, Encoder};

use super::corruption::{Constants, Corruption};
use crate::Effect;
use crate::content::{Kind, Picture};

/// As a JPEG file of this quality (the scale of the IJG, colours at half the resolution) and back.
pub(crate) const JPEG: Corruption<u8> = Corruption {
    name: "jpeg",
    about: "saved as a JPEG file",
    kinds: &[Kind::Picture],
    effect: Effect::Invariant,
    constants: Constants::Sized { cifar: [80, 65, 58, 50, 40], imagenet: [25, 18, 15, 10, 7] },
    strength: |quality| format!("quality {quality}"),
    apply: |picture, quality, _| {
        let side = |size: usize| u16::try_from(size).context("a picture too large for JPEG");
        let (width, height) = (side(picture.width)?, side(picture.height())?);
        let (kept, read) = match picture.colours {
            1 => (ColorType::Luma, Colour::Grey),
            _ => (ColorType::Rgb, Colour::Rgb),
        };
        let mut file = Vec::new();
        Encoder::new(&mut file, quality).encode(&picture.bytes(), width, height, kept)?;
        let (_, bytes) = decode(&file, read)?;
        let values = bytes.into_iter().map(|byte| f32::from(byte) / 255.0).collect();
        Ok(Picture { values, ..*picture })
    },
};
