//! From the backbone's channels to logits.

use anyhow::{Result, bail, ensure};
use s4_config::NetworkConfig;

use crate::adaptive::AdaptiveSoftmax;
use crate::encoder::Encoder;
use crate::layer::linear::{Linear, Stored, Vectors};
use crate::logistics::{self, Logistics};
use crate::past::Past;
use crate::simd::{Arena, Isa, Lanes, WIDTH, lanes};
use crate::weights::Place;

/// The last layer.
#[derive(Debug, Clone)]
pub(crate) enum Decoder {
    /// None: the backbone gives so many logits.
    Backbone(usize),
    /// A linear map to so many.
    Linear(Linear, usize),
    /// A mixture of distributions of levels, by what a linear map says.
    Logistics(Linear, Logistics),
    /// Tokens in clusters.
    Adaptive(AdaptiveSoftmax),
}

/// Room for what is said of some sequences.
#[derive(Debug)]
pub(crate) struct Scratch {
    projected: Vec<Lanes>,
    said: Vec<Lanes>,
    logistics: Option<logistics::Scratch>,
}

impl Decoder {
    /// That of a network of `width` channels.
    pub fn read(
        place: &Place,
        config: &NetworkConfig,
        encoder: &Encoder,
        width: usize,
    ) -> Result<Self> {
        if config.backbone() == s4_config::Backbone::SampleRnn {
            return Ok(Self::Backbone(width));
        }
        if let Some(config) = &config.adaptive {
            let clusters = encoder.clusters()?;
            return Ok(Self::Adaptive(AdaptiveSoftmax::read(place, config, clusters, width)?));
        }
        let x = Vectors::one(width);
        if let Some(config) = &config.logistics {
            let Some(codes) = encoder.number_of_codes() else {
                bail!("model.logistics is for models that get codes, not values");
            };
            let logistics = Logistics::new(config, codes);
            let y = Vectors::one(logistics.inputs());
            let linear = Linear::read(&place.sub("logistics"), Stored::Plain, x, y)?;
            return Ok(Self::Logistics(linear, logistics));
        }
        ensure!(
            !place.has("retrieval.classifier.0.weight"),
            "the decoder compares two whole sequences: it has no logits for one that is stepped"
        );
        let place = place.sub("output_transform");
        let outputs = place.shape("weight")?.first().copied().unwrap_or_default();
        ensure!(outputs > 0, "the decoder has no outputs");
        Ok(Self::Linear(Linear::read(&place, Stored::Plain, x, Vectors::one(outputs))?, outputs))
    }

    /// Logits K of a sequence.
    pub fn outputs(&self) -> usize {
        match self {
            Self::Backbone(outputs) | Self::Linear(_, outputs) => *outputs,
            Self::Logistics(_, logistics) => logistics.levels(),
            Self::Adaptive(softmax) => softmax.tokens(),
        }
    }

    /// Rounds the weights of linear maps to integers of 16 bits, which are kept in `arena`.
    pub fn round(&mut self, arena: &mut Arena) {
        match self {
            Self::Backbone(_) => {}
            Self::Linear(linear, _) | Self::Logistics(linear, _) => linear.round(arena),
            Self::Adaptive(softmax) => softmax.round(arena),
        }
    }

    /// Bytes of weights.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Backbone(_) => 0,
            Self::Linear(linear, _) | Self::Logistics(linear, _) => linear.bytes(),
            Self::Adaptive(softmax) => softmax.bytes(),
        }
    }

    /// Scratch space for `batch` sequences.
    pub fn scratch(&self, batch: usize) -> Scratch {
        let (projected, said, logistics) = match self {
            Self::Backbone(_) => (0, 0, None),
            Self::Linear(linear, _) => (0, linear.outputs(), None),
            Self::Logistics(linear, logistics) => (0, linear.outputs(), Some(logistics.scratch())),
            Self::Adaptive(softmax) => {
                let (projected, said) = softmax.scratch();
                (projected, said, None)
            }
        };
        let buffer = |lanes| vec![Lanes::ZERO; batch * lanes];
        Scratch { projected: buffer(projected), said: buffer(said), logistics }
    }

    /// Logits (B, K) of the channels x of B sequences with this `past`.
    pub fn apply(
        &self,
        isa: Isa,
        x: &[Lanes],
        past: &Past,
        scratch: &mut Scratch,
        logits: &mut [f32],
    ) {
        let Scratch { projected, said, logistics: own } = scratch;
        let rows = logits.chunks_exact_mut(self.outputs());
        match self {
            Self::Backbone(outputs) => {
                rows.zip(x.chunks_exact(lanes(*outputs))).for_each(|(row, x)| unpack(x, row));
            }
            Self::Linear(linear, _) => {
                linear.apply(isa, x, said);
                rows.zip(said.chunks_exact(linear.outputs())).for_each(|(row, x)| unpack(x, row));
            }
            Self::Logistics(linear, logistics) => {
                linear.apply(isa, x, said);
                let own = own.as_mut().expect("the scratch is this decoder's");
                for (row, (logits, said)) in
                    rows.zip(said.chunks_exact(linear.outputs())).enumerate()
                {
                    logistics.score(said, past, row, own, logits);
                }
            }
            Self::Adaptive(softmax) => softmax.apply(isa, x, projected, said, logits),
        }
    }
}

/// The first numbers of `lanes`.
pub(crate) fn unpack(lanes: &[Lanes], numbers: &mut [f32]) {
    for (numbers, lanes) in numbers.chunks_mut(WIDTH).zip(lanes) {
        numbers.copy_from_slice(&lanes.0[..numbers.len()]);
    }
}
