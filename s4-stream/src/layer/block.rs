//! Residual blocks: x + layer(norm(x)).

use anyhow::Result;

use super::activation::add_gated;
use super::add;
use super::linear::{Linear, Stored, Vectors};
use super::norm::Norm;
use super::recurrence::Recurrence;
use crate::config::{Activation, BlockConfig, FinalAct, ModelConfig, Special, Variant};
use crate::simd::{Isa, Lanes, lanes};
use crate::weights::Place;

/// A residual block.
#[derive(Debug)]
pub(crate) struct Block {
    norm: Norm,
    layer: Layer,
}

#[derive(Debug)]
enum Layer {
    S4 { recurrence: Recurrence, activation: Activation, end: End },
    FeedForward { hidden: Linear, output: Linear },
}

/// What follows the nonlinearity of an S4 layer.
#[derive(Debug)]
enum End {
    Nothing,
    Gated(Linear),
    Pointwise(Linear, Activation),
}

/// Room for what is computed inside a block.
#[derive(Debug)]
pub(crate) struct Scratch {
    normed: Vec<Lanes>,
    hidden: Vec<Lanes>,
    output: Vec<Lanes>,
}

impl Scratch {
    /// For blocks that need `room` lanes a sequence.
    pub fn new(batch: usize, room: usize) -> Self {
        let buffer = || vec![Lanes::ZERO; batch * room];
        Self { normed: buffer(), hidden: buffer(), output: buffer() }
    }
}

impl Block {
    /// An S4 block of `width` channels.
    pub fn s4(place: &Place, config: &ModelConfig, width: usize) -> Result<Self> {
        let BlockConfig { channels, activation, final_act, ssm, .. } = &config.layer;
        let layer = place.sub("layer");
        let recurrence = Recurrence::read(&layer.sub("layer"), ssm, width, *channels)?;
        let linear = |outputs| -> Result<Linear> {
            let inputs = Vectors::behind_one_another(*channels, width);
            Linear::read(&layer.sub("output_linear.0"), Stored::Plain, inputs, outputs)
        };
        let end = match *final_act {
            FinalAct::Special(Special::None) => End::Nothing,
            FinalAct::Special(Special::Glu) => {
                End::Gated(linear(Vectors::behind_one_another(2, width))?)
            }
            FinalAct::Pointwise(activation) => {
                End::Pointwise(linear(Vectors::one(width))?, activation)
            }
        };
        let layer = Layer::S4 { recurrence, activation: *activation, end };
        Ok(Self { norm: norm(place, config.variant, width)?, layer })
    }

    /// A feed-forward block of `width` channels.
    pub fn feed_forward(place: &Place, config: &ModelConfig, width: usize) -> Result<Self> {
        let stored = match config.variant {
            Variant::Standalone => Stored::Pointwise,
            Variant::Audio => Stored::Plain,
        };
        let layer = place.sub("layer.ff");
        let (outer, inner) = (Vectors::one(width), Vectors::one(config.ff * width));
        let layer = Layer::FeedForward {
            hidden: Linear::read(&layer.sub("0.0"), stored, outer, inner)?,
            output: Linear::read(&layer.sub("2"), stored, inner, outer)?,
        };
        Ok(Self { norm: norm(place, config.variant, width)?, layer })
    }

    /// Lanes of a vector.
    pub fn lanes(&self) -> usize {
        self.norm.lanes()
    }

    /// Lanes of a sequence's state.
    pub fn state(&self) -> usize {
        match &self.layer {
            Layer::S4 { recurrence, .. } => recurrence.state(),
            Layer::FeedForward { .. } => 0,
        }
    }

    /// Lanes of [`Scratch`] that a sequence needs.
    pub fn room(config: &ModelConfig, width: usize) -> usize {
        let BlockConfig { channels, .. } = config.layer;
        (lanes(width) * channels.max(2)).max(lanes(config.ff * width))
    }

    /// Bytes of weights and tables.
    pub fn bytes(&self) -> usize {
        match &self.layer {
            Layer::FeedForward { hidden, output } => hidden.bytes() + output.bytes(),
            Layer::S4 { recurrence, end, .. } => {
                recurrence.bytes()
                    + match end {
                        End::Nothing => 0,
                        End::Gated(linear) | End::Pointwise(linear, _) => linear.bytes(),
                    }
            }
        }
    }

    /// Moves `state` on and replaces x by what the block makes of it.
    pub fn step(&self, isa: Isa, x: &mut [Lanes], state: &mut [Lanes], scratch: &mut Scratch) {
        let width = self.lanes();
        let batch = x.len() / width;
        let normed = &mut scratch.normed[..x.len()];
        self.norm.apply(isa, x, normed);
        match &self.layer {
            Layer::S4 { recurrence, activation, end } => {
                let hidden = &mut scratch.hidden[..batch * recurrence.width()];
                recurrence.step(isa, normed, state, hidden);
                activation.apply(isa, hidden);
                match end {
                    End::Nothing => add(isa, x, hidden),
                    End::Gated(linear) => {
                        let gated = &mut scratch.output[..batch * linear.outputs()];
                        linear.apply(isa, hidden, gated);
                        add_gated(isa, x, gated, width);
                    }
                    End::Pointwise(linear, activation) => {
                        let output = &mut scratch.output[..batch * linear.outputs()];
                        linear.apply(isa, hidden, output);
                        activation.apply(isa, output);
                        add(isa, x, output);
                    }
                }
            }
            Layer::FeedForward { hidden: first, output: second } => {
                let hidden = &mut scratch.hidden[..batch * first.outputs()];
                first.apply(isa, normed, hidden);
                Activation::Gelu.apply(isa, hidden);
                let output = &mut scratch.output[..x.len()];
                second.apply(isa, hidden, output);
                add(isa, x, output);
            }
        }
    }
}

fn norm(place: &Place, variant: Variant, width: usize) -> Result<Norm> {
    match variant {
        Variant::Standalone => Norm::layer(&place.sub("norm"), width),
        Variant::Audio => Norm::scalar(&place.sub("norm.norm"), width),
    }
}
