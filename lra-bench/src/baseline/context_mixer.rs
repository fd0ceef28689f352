//! Pictures by mixed contexts, as the strongest lossless coders of files do (Mahoney 2005): a byte is
//! coded bit by bit, the highest first; for each of several contexts an adaptive model says how likely
//! a 1 is, and a logistic mixture of what they say learns whom to believe.
//!
//! Contexts are of up to two of the neighbours that are known: left, above, and the colours before in
//! the same pixel. Everything is learned bit by bit, after the bit was judged.

use datasets::tasks::density::Picture;

/// Contexts of a byte.
const MODELS: usize = 10;
/// Slots of a model, a power of 2: contexts are hashed to them.
const SLOTS: usize = 1 << 20;
/// Bits that were seen in a slot count this many at most: what was long ago is forgotten.
const MEMORY: f32 = 250.0;
/// How fast the mixture learns.
const RATE: f32 = 0.003;
/// Farthest logit.
const LIMIT: f32 = 12.0;

/// An adaptive model of the bytes of pictures.
#[derive(Debug)]
pub struct ContextMixer {
    picture: Picture,
    /// MODELS tables of SLOTS.
    slots: Vec<Slot>,
    /// A mixture for each colour and each beginning of a byte.
    weights: Vec<[f32; INPUTS]>,
}

/// What models say, twice: their logits, and those again where they have seen little; and a constant.
const INPUTS: usize = 2 * MODELS + 1;

/// How likely a 1 is, and from how many bits that is known.
#[derive(Debug, Clone, Copy)]
struct Slot {
    probability: f32,
    seen: f32,
}

impl ContextMixer {
    /// One that has seen nothing.
    pub fn new(picture: Picture) -> Self {
        let mut first = [0.0; INPUTS];
        first[..MODELS].fill(1.5 / MODELS as f32);
        Self {
            picture,
            slots: vec![Slot { probability: 0.5, seen: 0.0 }; MODELS * SLOTS],
            weights: vec![first; picture.colours * 256],
        }
    }

    /// -log p of the bytes of a picture, in nats, each of which is learned from after it was judged.
    ///
    /// # Panics
    /// If there are too few bytes or too many.
    pub fn nll(&mut self, bytes: &[u8]) -> f64 {
        assert_eq!(bytes.len(), self.picture.subpixels(), "the bytes of a picture");
        (0..bytes.len()).map(|at| self.byte(bytes, at)).sum()
    }

    /// The same of the byte at a place, from those before it.
    fn byte(&mut self, bytes: &[u8], at: usize) -> f64 {
        let colour = at % self.picture.colours;
        let hashes = contexts(bytes, at, self.picture);
        let mut node = 1usize; // The bits so far, after a leading 1.
        let mut nll = 0.0;
        for shift in (0..8).rev() {
            let is_one = bytes[at] >> shift & 1 == 1;
            nll += self.bit(colour, &hashes, node, is_one);
            node = node << 1 | usize::from(is_one);
        }
        nll
    }

    fn bit(&mut self, colour: usize, hashes: &[u64; MODELS], node: usize, is_one: bool) -> f64 {
        let mut places = [0; MODELS];
        let mut inputs = [0.0; INPUTS];
        for (model, hash) in hashes.iter().enumerate() {
            places[model] = model * SLOTS + slot(*hash, node);
            let Slot { probability, seen } = self.slots[places[model]];
            let logit = (probability / (1.0 - probability)).ln().clamp(-LIMIT, LIMIT);
            inputs[model] = if seen > 0.0 { logit } else { 0.0 };
            inputs[MODELS + model] = if seen > 0.0 { logit / (1.0 + seen) } else { 0.0 };
        }
        inputs[2 * MODELS] = 0.3;
        let weights = &mut self.weights[colour * 256 + node];
        let sum: f32 = weights.iter().zip(&inputs).map(|(weight, input)| weight * input).sum();
        let one = (1.0 / (1.0 + (-sum.clamp(-LIMIT, LIMIT)).exp())).clamp(1e-5, 1.0 - 1e-5);
        let error = f32::from(u8::from(is_one)) - one;
        for (weight, input) in weights.iter_mut().zip(&inputs) {
            *weight += RATE * error * input;
        }
        let target = f32::from(u8::from(is_one));
        for place in places {
            let Slot { probability, seen } = &mut self.slots[place];
            *seen = (*seen + 1.0).min(MEMORY);
            *probability += (target - *probability) / (*seen + 0.5);
            *probability = probability.clamp(1e-4, 1.0 - 1e-4);
        }
        -f64::from(if is_one { one } else { 1.0 - one }).ln()
    }
}

/// Hashes of the contexts of the byte at a place.
fn contexts(bytes: &[u8], at: usize, picture: Picture) -> [u64; MODELS] {
    let Picture { side, colours } = picture;
    let (colour, column, row) = (at % colours, at / colours % side, at / colours / side);
    // Known bytes so many pixels to the left and up, of a colour so many before.
    let known = |left: usize, up: usize, before: usize| -> i32 {
        match (column.checked_sub(left), row.checked_sub(up), colour.checked_sub(before)) {
            (Some(column), Some(row), Some(colour)) => {
                i32::from(bytes[(row * side + column) * colours + colour])
            }
            _ => 0,
        }
    };
    let (left, above, corner) = (known(1, 0, 0), known(0, 1, 0), known(1, 1, 0));
    let (one, two) = if colour > 0 { (known(0, 0, 1), known(0, 0, 2)) } else { (0, 0) };
    // How the colour before differs from its own neighbours tells how this one does.
    let (change, change_above) =
        if colour > 0 { (one - known(1, 0, 1), one - known(0, 1, 1)) } else { (0, 0) };
    let plane = (left + above - corner).clamp(0, 255);
    let (from_left, from_above) =
        ((left + change).clamp(0, 255), (above + change_above).clamp(0, 255));
    let place = (row * side + column) as i32;
    let each: [[i32; 2]; MODELS] = [
        [left, 0],
        [above, 0],
        [one, two],
        [left, above],
        [left, one],
        [plane, one / 8],
        [from_left, from_above],
        [(from_left + from_above) / 2, (change + 255) / 16],
        [(left + above) / 2, (left - above).abs() / 8],
        [place, 0],
    ];
    let mut number = 0;
    each.map(|[a, b]| {
        number += 1;
        let packed = (a as u64) << 40 | (b as u64) << 16 | (colour as u64) << 8 | number;
        packed.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    })
}

fn slot(hash: u64, node: usize) -> usize {
    let mixed = (hash ^ (node as u64) << 7).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    (mixed >> 44) as usize & (SLOTS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Picture = Picture { side: 8, colours: 3 };

    fn bits(pictures: impl Iterator<Item = Vec<u8>>) -> f64 {
        let mut mixer = ContextMixer::new(SMALL);
        let all: Vec<f64> = pictures.map(|bytes| mixer.nll(&bytes)).collect();
        let late = &all[all.len() / 2..];
        late.iter().sum::<f64>() / (late.len() * SMALL.subpixels()) as f64 / std::f64::consts::LN_2
    }

    fn noise(seed: u64, count: usize) -> Vec<u8> {
        let hash = |i: usize| (seed << 20 | i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (0..count)
            .map(|i| (hash(i) ^ hash(i) >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9))
            .map(|x| (x >> 56) as u8)
            .collect()
    }

    #[test]
    fn noise_costs_what_noise_costs_and_what_repeats_is_nearly_free() {
        let random = bits((0..200).map(|seed| noise(seed, SMALL.subpixels())));
        assert!((7.99..8.3).contains(&random), "{random}");
        // Grey noise: two of three bytes follow from the one before.
        let grey =
            bits((0..400).map(|seed| noise(seed, 64).into_iter().flat_map(|x| [x; 3]).collect()));
        assert!((2.6..3.3).contains(&grey), "{grey}");
        let flat = bits((0..200).map(|seed| vec![noise(seed, 1)[0]; SMALL.subpixels()]));
        assert!(flat < 0.3, "{flat}");
    }
}
