//! Normalisation of each vector.

use anyhow::Result;

use crate::simd::{Isa, Kernel, Lanes, Simd, lanes, pack};
use crate::weights::Place;

/// What training adds to the variances of layer norm and batch norm.
const EPSILON: f64 = 1e-5;

/// A normalisation.
#[derive(Debug, Clone)]
pub(crate) struct Norm {
    /// Lanes of a vector.
    lanes: usize,
    form: Form,
}

#[derive(Debug, Clone)]
enum Form {
    Identity,
    Affine(Affine),
    Standard(Standard),
}

/// x · weight + bias, channel by channel.
#[derive(Debug, Clone)]
struct Affine {
    weight: Vec<Lanes>,
    bias: Vec<Lanes>,
}

/// ((x - mean + shift) / std) · weight + bias with mean and std over the channels.
#[derive(Debug, Clone)]
struct Standard {
    channels: usize,
    epsilon: f32,
    shift: f32,
    affine: Affine,
    /// One where there is a channel, zero where the last lanes are filled up.
    inside: Vec<Lanes>,
}

impl Norm {
    /// None at all.
    pub fn identity(channels: usize) -> Self {
        Self { lanes: lanes(channels), form: Form::Identity }
    }

    /// Layer norm: `weight` and `bias` (H).
    pub fn layer(place: &Place, channels: usize) -> Result<Self> {
        let read = |name| -> Result<Vec<Lanes>> { Ok(pack32(place.tensor(name, &[channels])?)) };
        let affine = Affine { weight: read("weight")?, bias: read("bias")? };
        Ok(Self::standard(channels, EPSILON as f32, 0.0, affine))
    }

    /// One scale `s` and one shift `m` for all channels, without an epsilon, as in the official
    /// audio experiments.
    pub fn scalar(place: &Place, channels: usize) -> Result<Self> {
        let scale = place.tensor("s", &[1])?[0] as f32;
        let shift = place.tensor("m", &[1])?[0] as f32;
        let affine =
            Affine { weight: pack(vec![scale; channels]), bias: pack(vec![0.0; channels]) };
        Ok(Self::standard(channels, 0.0, shift, affine))
    }

    /// Batch norm by the statistics that training has kept: `weight`, `bias`, `running_mean` and
    /// `running_var` (H).
    pub fn batch(place: &Place, channels: usize) -> Result<Self> {
        let read = |name| place.tensor(name, &[channels]);
        let (mut weight, mut bias) = (read("weight")?, read("bias")?);
        let (mean, variance) = (read("running_mean")?, read("running_var")?);
        place.tensor("num_batches_tracked", &[])?;
        for (i, weight) in weight.iter_mut().enumerate() {
            *weight /= (variance[i] + EPSILON).sqrt();
            bias[i] -= *weight * mean[i];
        }
        let affine = Affine { weight: pack32(weight), bias: pack32(bias) };
        Ok(Self { lanes: lanes(channels), form: Form::Affine(affine) })
    }

    fn standard(channels: usize, epsilon: f32, shift: f32, affine: Affine) -> Self {
        let inside = pack(vec![1.0; channels]);
        let standard = Standard { channels, epsilon, shift, affine, inside };
        Self { lanes: lanes(channels), form: Form::Standard(standard) }
    }

    /// Lanes of a vector.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    pub fn apply(&self, isa: Isa, x: &[Lanes], y: &mut [Lanes]) {
        match &self.form {
            Form::Identity => y.copy_from_slice(x),
            Form::Affine(affine) => isa.run(ApplyAffine { affine, x, y }),
            Form::Standard(standard) => isa.run(ApplyStandard { standard, x, y }),
        }
    }
}

fn pack32(values: Vec<f64>) -> Vec<Lanes> {
    pack(values.into_iter().map(|x| x as f32))
}

struct ApplyAffine<'a> {
    affine: &'a Affine,
    x: &'a [Lanes],
    y: &'a mut [Lanes],
}

impl Kernel for ApplyAffine<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Affine { weight, bias } = self.affine;
        let sequences = self.x.chunks_exact(weight.len());
        for (x, y) in sequences.zip(self.y.chunks_exact_mut(weight.len())) {
            for (((x, y), weight), bias) in x.iter().zip(y).zip(weight).zip(bias) {
                s.store(s.mul_add(s.load(x), s.load(weight), s.load(bias)), y);
            }
        }
    }
}

struct ApplyStandard<'a> {
    standard: &'a Standard,
    x: &'a [Lanes],
    y: &'a mut [Lanes],
}

impl Kernel for ApplyStandard<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Standard { channels, epsilon, shift, affine, inside } = self.standard;
        let Affine { weight, bias } = affine;
        let share = 1.0 / *channels as f32;
        let sequences = self.x.chunks_exact(inside.len());
        for (x, y) in sequences.zip(self.y.chunks_exact_mut(inside.len())) {
            let mut sum = s.splat(0.0);
            for x in x {
                sum = s.add(sum, s.load(x));
            }
            let mean = s.splat(s.sum(sum) * share);
            let mut squares = s.splat(0.0);
            for ((x, y), inside) in x.iter().zip(&mut *y).zip(inside) {
                let centred = s.mul(s.sub(s.load(x), mean), s.load(inside));
                squares = s.mul_add(centred, centred, squares);
                s.store(centred, y);
            }
            let scale = s.splat(1.0 / (s.sum(squares) * share + epsilon).sqrt());
            for (((y, weight), bias), inside) in y.iter_mut().zip(weight).zip(bias).zip(inside) {
                let shifted = s.mul_add(s.splat(*shift), s.load(inside), s.load(y));
                let normed = s.mul_add(s.mul(shifted, scale), s.load(weight), s.load(bias));
                s.store(normed, y);
            }
        }
    }
}
