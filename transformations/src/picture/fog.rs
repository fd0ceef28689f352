//! Fog.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::corruption::{Constants, Corruption};
use crate::Effect;
use crate::content::Kind;

/// A cloud is added, and the picture darkened so that its brightest value stays.
pub(crate) const FOG: Corruption<Cloud> = Corruption {
    name: "fog",
    about: "a cloud before it",
    kinds: &[Kind::Picture],
    effect: Effect::Invariant,
    constants: Constants::Sized {
        cifar: [
            Cloud { strength: 0.2, decay: 3.0, side: 32 },
            Cloud { strength: 0.5, decay: 3.0, side: 32 },
            Cloud { strength: 0.75, decay: 2.5, side: 32 },
            Cloud { strength: 1.0, decay: 2.0, side: 32 },
            Cloud { strength: 1.5, decay: 1.75, side: 32 },
        ],
        imagenet: [
            Cloud { strength: 1.5, decay: 2.0, side: 256 },
            Cloud { strength: 2.0, decay: 2.0, side: 256 },
            Cloud { strength: 2.5, decay: 1.7, side: 256 },
            Cloud { strength: 2.5, decay: 1.5, side: 256 },
            Cloud { strength: 3.0, decay: 1.4, side: 256 },
        ],
    },
    strength: |Cloud { strength, decay, .. }| format!("strength {strength}, decay {decay}"),
    apply: |picture, Cloud { strength, decay, side }, random| {
        let side = side.max(picture.width.max(picture.height()).next_power_of_two());
        let cloud = plasma(side, decay, random);
        let most = picture.values.iter().copied().fold(0.0, f32::max);
        Ok(picture.made_of(|row, column, colour| {
            let foggy =
                picture.at(row, column, colour) + strength * cloud[row * side + column] as f32;
            foggy * most / (most + strength)
        }))
    },
};

#[derive(Clone, Copy)]
pub(crate) struct Cloud {
    /// Its highest value.
    strength: f32,
    /// What its roughness is divided by from one scale to the next.
    decay: f64,
    /// Pixels of its side, of which the picture covers a corner.
    side: usize,
}

/// A cloud from 0 to 1 that goes on at the opposite edge, by the diamond-square algorithm. `side` is a
/// power of two.
fn plasma(side: usize, decay: f64, random: &mut ChaCha8Rng) -> Vec<f64> {
    let mut cloud = vec![0.0; side * side];
    let (mut step, mut rough) = (side, 100.0);
    while step >= 2 {
        let half = step / 2;
        let mut fill = |first: (usize, usize), from: [(usize, usize); 4]| {
            for row in (first.0..side).step_by(step) {
                for column in (first.1..side).step_by(step) {
                    let around = from.map(|(down, right)| {
                        cloud[(row + down) % side * side + (column + right) % side]
                    });
                    // Twice by the roughness, as in the published code.
                    let off = rough * random.random_range(-rough..rough);
                    cloud[row * side + column] = around.iter().sum::<f64>() / 4.0 + off;
                }
            }
        };
        let back = side - half;
        let straight = [(back, 0), (half, 0), (0, back), (0, half)];
        fill((half, half), [(back, back), (back, half), (half, back), (half, half)]);
        fill((0, half), straight);
        fill((half, 0), straight);
        step = half;
        rough /= decay;
    }
    let least = cloud.iter().copied().fold(f64::INFINITY, f64::min);
    let most = cloud.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let range = if most > least { most - least } else { 1.0 };
    cloud.iter().map(|value| (value - least) / range).collect()
}
