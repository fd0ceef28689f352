//! How embedding and scores of the codes begin.

use std::f64::consts::{SQRT_2, TAU};

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

/// Lowest and highest angular frequency of a feature over half the range of codes. At the highest,
/// codes that are 1/100 of that apart are different.
const FREQUENCIES: (f64, f64) = (0.5, 100.0);

/// The score of a code that is equal to the last one, before anything is learned.
const FIRST_SCORE: f64 = 5.0;

impl EncoderInit {
    /// The weight of the map to scores, (codes, width), for an `embedding` of the same shape; none
    /// where it begins as any linear map.
    pub(super) fn scores(self, embedding: &Tensor) -> Option<Tensor> {
        match self {
            EncoderInit::Normal => None,
            EncoderInit::Fourier => Some(embedding * (FIRST_SCORE / embedding.size()[1] as f64)),
        }
    }

    /// An embedding of `codes` codes in `width` channels of variance 1, (codes, width). Draws from
    /// tch's CPU generator.
    pub(super) fn draw(self, codes: i64, width: i64) -> Tensor {
        let cpu = (Kind::Float, Device::Cpu);
        match self {
            EncoderInit::Normal => Tensor::randn([codes, width], cpu),
            EncoderInit::Fourier => {
                let (low, high) = FREQUENCIES;
                let place = Tensor::arange(codes, cpu) * (2.0 / codes as f64) - 1.0;
                let frequency = (Tensor::rand([width], cpu) * (high / low).ln()).exp() * low;
                let phase = Tensor::rand([width], cpu) * TAU;
                (place.unsqueeze(1) * frequency + phase).sin() * SQRT_2
            }
        }
    }
}
