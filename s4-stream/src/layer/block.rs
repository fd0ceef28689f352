//! Residual blocks: a layer, and a normalisation before it or after the sum.

use anyhow::Result;
use s4_config::{Activation, FinalAct, S4BlockConfig};

use super::activation::{activate, add_gated};
use super::add;
use super::linear::{Linear, Stored, Vectors};
use super::norm::Norm;
use super::recurrence::Recurrence;
use crate::settings::size;
use crate::simd::{Arena, Isa, Lanes};
use crate::state_tensors::StateTensors;
use crate::weights::Place;

/// A residual block.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    norm: Norm,
    prenorm: bool,
    layer: Layer,
}

/// What a block adds to its input.
#[derive(Debug, Clone)]
pub(crate) enum Layer {
    S4 { recurrence: Recurrence, activation: Activation, output: OutputMap },
    FeedForward { hidden: Linear, output: Linear },
}

/// What mixes the channels of an S4 layer, after the nonlinearity.
#[derive(Debug, Clone)]
pub(crate) enum OutputMap {
    None,
    Glu(Linear),
    Pointwise(Linear, Activation),
}

/// Scratch space for what is computed inside a block.
#[derive(Debug)]
pub(crate) struct Scratch {
    input: Vec<Lanes>,
    hidden: Vec<Lanes>,
    output: Vec<Lanes>,
}

impl Scratch {
    /// For blocks that need `lanes` lanes per sequence.
    pub fn new(batch: usize, lanes: usize) -> Self {
        let buffer = || vec![Lanes::ZERO; batch * lanes];
        Self { input: buffer(), hidden: buffer(), output: buffer() }
    }
}

impl Block {
    /// x + layer(norm(x)).
    pub fn prenorm(norm: Norm, layer: Layer) -> Self {
        Self { norm, prenorm: true, layer }
    }

    /// norm(x + layer(x)).
    pub fn postnorm(norm: Norm, layer: Layer) -> Self {
        Self { norm, prenorm: false, layer }
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

    /// Fills the state of some sequences with theirs of the next of `tensors`.
    pub fn load(&self, state: &mut [Lanes], tensors: &mut StateTensors) -> Result<()> {
        match &self.layer {
            Layer::S4 { recurrence, .. } => {
                recurrence.load(tensors.next("of an S4 layer", recurrence.states())?, state);
                Ok(())
            }
            Layer::FeedForward { .. } => Ok(()),
        }
    }

    /// Lanes of [`Scratch`] that a sequence needs.
    pub fn scratch(&self) -> usize {
        let inside = match &self.layer {
            Layer::FeedForward { hidden, .. } => hidden.outputs(),
            Layer::S4 { recurrence, output, .. } => recurrence.width().max(output.width()),
        };
        inside.max(self.lanes())
    }

    /// Bytes of weights and tables.
    pub fn bytes(&self) -> usize {
        match &self.layer {
            Layer::FeedForward { hidden, output } => hidden.bytes() + output.bytes(),
            Layer::S4 { recurrence, output, .. } => recurrence.bytes() + output.bytes(),
        }
    }

    /// Rounds the weights of the linear maps to integers of 16 bits, and keeps all in `arena`.
    pub fn round(&mut self, arena: &mut Arena) {
        match &mut self.layer {
            Layer::FeedForward { hidden, output } => {
                hidden.round(arena);
                output.round(arena);
            }
            Layer::S4 { recurrence, output, .. } => {
                recurrence.move_to(arena);
                match output {
                    OutputMap::None => (),
                    OutputMap::Glu(linear) | OutputMap::Pointwise(linear, _) => linear.round(arena),
                }
            }
        }
    }

    /// Moves `state` on and replaces x by what the block makes of it.
    pub fn step(&self, isa: Isa, x: &mut [Lanes], state: &mut [Lanes], scratch: &mut Scratch) {
        let Scratch { input, hidden, output } = scratch;
        let input = &mut input[..x.len()];
        if self.prenorm {
            self.norm.apply(isa, x, input);
            self.layer.add(isa, input, x, state, hidden, output);
        } else {
            input.copy_from_slice(x);
            self.layer.add(isa, input, x, state, hidden, output);
            input.copy_from_slice(x);
            self.norm.apply(isa, input, x);
        }
    }
}

impl Layer {
    /// An S4 layer of `width` channels.
    pub fn s4(place: &Place, config: &S4BlockConfig, width: usize) -> Result<Self> {
        let channels = size(config.channels);
        let recurrence = Recurrence::read(&place.sub("layer"), &config.ssm, width, channels)?;
        let linear = |outputs| -> Result<Linear> {
            let inputs = Vectors::concatenated(channels, width);
            Linear::read(&place.sub("output_linear.0"), Stored::Plain, inputs, outputs)
        };
        let output = match config.final_act {
            FinalAct::None => OutputMap::None,
            FinalAct::Glu => OutputMap::Glu(linear(Vectors::concatenated(2, width))?),
            FinalAct::Pointwise(activation) => {
                OutputMap::Pointwise(linear(Vectors::one(width))?, activation)
            }
        };
        Ok(Layer::S4 { recurrence, activation: config.activation, output })
    }

    /// A position-wise network of `width` channels and `inner` hidden ones.
    pub fn feed_forward(place: &Place, stored: Stored, width: usize, inner: usize) -> Result<Self> {
        let place = place.sub("ff");
        let (outer, inner) = (Vectors::one(width), Vectors::one(inner));
        Ok(Layer::FeedForward {
            hidden: Linear::read(&place.sub("0.0"), stored, outer, inner)?,
            output: Linear::read(&place.sub("2"), stored, inner, outer)?,
        })
    }

    /// x += layer(input).
    fn add(
        &self,
        isa: Isa,
        input: &[Lanes],
        x: &mut [Lanes],
        state: &mut [Lanes],
        hidden: &mut [Lanes],
        output: &mut [Lanes],
    ) {
        match self {
            Layer::S4 { recurrence, activation, output: map } => {
                let batch = input.len() / recurrence.lanes();
                let hidden = &mut hidden[..batch * recurrence.width()];
                recurrence.step(isa, input, state, hidden);
                activate(isa, *activation, hidden);
                let output = &mut output[..batch * map.width()];
                match map {
                    OutputMap::None => add(isa, x, hidden),
                    OutputMap::Glu(linear) => {
                        linear.apply(isa, hidden, output);
                        add_gated(isa, x, output, recurrence.lanes());
                    }
                    OutputMap::Pointwise(linear, activation) => {
                        linear.apply(isa, hidden, output);
                        activate(isa, *activation, output);
                        add(isa, x, output);
                    }
                }
            }
            Layer::FeedForward { hidden: first, output: second } => {
                let batch = input.len() / second.outputs();
                let hidden = &mut hidden[..batch * first.outputs()];
                first.apply(isa, input, hidden);
                activate(isa, Activation::Gelu, hidden);
                let output = &mut output[..x.len()];
                second.apply(isa, hidden, output);
                add(isa, x, output);
            }
        }
    }
}

impl OutputMap {
    /// Lanes of the map's outputs.
    fn width(&self) -> usize {
        match self {
            OutputMap::None => 0,
            OutputMap::Glu(linear) | OutputMap::Pointwise(linear, _) => linear.outputs(),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            OutputMap::None => 0,
            OutputMap::Glu(linear) | OutputMap::Pointwise(linear, _) => linear.bytes(),
        }
    }
}
