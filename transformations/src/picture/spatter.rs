//! Mud on the lens.

use rand_distr::{Distribution, StandardNormal};

use super::corruption::{Constants, Corruption, mapped};
use super::gaussian_blur::blurred;
use crate::Effect;
use crate::content::{Kind, Picture};

/// Spots of mud, where smooth noise is high. The strengths are those of MNIST-C's code, which published
/// the fourth.
pub(crate) const SPATTER: Corruption<Mud> = Corruption {
    name: "spatter",
    about: "spots of mud",
    kinds: &[Kind::Picture],
    effect: Effect::Invariant,
    constants: Constants::Five([
        Mud { mean: 0.65, sd: 0.3, sigma: 4.0, threshold: 0.69, rim: 0.6 },
        Mud { mean: 0.65, sd: 0.3, sigma: 3.0, threshold: 0.68, rim: 0.6 },
        Mud { mean: 0.65, sd: 0.3, sigma: 2.0, threshold: 0.68, rim: 0.5 },
        Mud { mean: 0.65, sd: 0.3, sigma: 1.0, threshold: 0.65, rim: 1.5 },
        Mud { mean: 0.67, sd: 0.4, sigma: 1.0, threshold: 0.65, rim: 1.5 },
    ]),
    strength: |Mud { mean, sd, sigma, threshold, .. }| {
        format!("noise {mean} ± {sd}, smoothed by {sigma} px, above {threshold}")
    },
    apply: |picture, Mud { mean, sd, sigma, threshold, rim }, random| {
        let noise = picture.values.iter().step_by(picture.colours).map(|_| {
            let normal: f32 = StandardNormal.sample(random);
            mean + sd * normal
        });
        let noise = Picture { width: picture.width, colours: 1, values: noise.collect() };
        let spots = mapped(&blurred(&noise, sigma), |wet| f32::from(u8::from(wet > threshold)));
        let mud = mapped(&blurred(&spots, rim), |mud| if mud < 0.8 { 0.0 } else { mud });
        Ok(picture.made_of(|row, column, colour| {
            let mud = mud.at(row, column, 0);
            picture.at(row, column, colour) * (1.0 - mud) + BROWN[colour % BROWN.len()] * mud
        }))
    },
};

/// Red, green and blue of mud; the first is its grey in MNIST-C.
const BROWN: [f32; 3] = [63.0 / 255.0, 42.0 / 255.0, 20.0 / 255.0];

#[derive(Clone, Copy)]
pub(crate) struct Mud {
    mean: f32,
    sd: f32,
    /// Of the blur that makes spots of the noise.
    sigma: f64,
    threshold: f32,
    /// Of the blur of the spots.
    rim: f64,
}
