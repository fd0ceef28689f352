//! WaveNet: every layer keeps what its filters still see in a ring.

use anyhow::Result;
use s4_config::{Activation, WaveNetConfig};

use crate::layer::activation::{activate, gate};
use crate::layer::add;
use crate::layer::linear::{Linear, Vectors};
use crate::settings::size;
use crate::simd::{Arena, Isa, Lanes, pack_into};
use crate::state_tensors::StateTensors;
use crate::weights::Place;

/// The weights.
#[derive(Debug, Clone)]
pub(crate) struct WaveNet {
    start: Linear,
    layers: Vec<Layer>,
    /// The sum of what all layers put out, as one map of all of them.
    skip: Linear,
    end: [Linear; 2],
    residual_channels: usize,
}

#[derive(Debug, Clone)]
struct Layer {
    /// Taps, the oldest first, to filters and gates.
    taps: Linear,
    /// None of the last layer.
    residual: Option<Linear>,
    dilation: usize,
    kernel_size: usize,
}

/// What the filters of some sequences still see, and scratch space.
#[derive(Debug)]
pub(crate) struct WaveNetState {
    /// Positions so far.
    position: usize,
    /// Of each layer the last inputs, sequence by sequence: that of position t at t modulo their
    /// number.
    rings: Vec<Vec<Lanes>>,
    h: Vec<Lanes>,
    taps: Vec<Lanes>,
    gated: Vec<Lanes>,
    /// What all layers put out, layer by layer in each sequence.
    outputs: Vec<Lanes>,
    /// One layer's, sequence by sequence.
    output: Vec<Lanes>,
    residual: Vec<Lanes>,
    skipped: Vec<Lanes>,
    end: Vec<Lanes>,
}

impl WaveNet {
    /// Reads a map of `width` channels to as many.
    pub fn read(place: &Place, width: usize, config: &WaveNetConfig) -> Result<Self> {
        let [residual, dilated, skip, end, kernel_size] = [
            config.residual_channels,
            config.dilation_channels,
            config.skip_channels,
            config.end_channels,
            config.kernel_size,
        ]
        .map(size);
        let keep = |lanes: &[Lanes]| place.keep(lanes);
        // A convolution's weight (out, in, K) and bias (out).
        let conv = |name: &str, shape: [usize; 3], bias: bool| -> Result<(Vec<f64>, Vec<f64>)> {
            let place = place.sub(name);
            let weight = place.tensor("weight", &shape)?;
            let bias = if bias { place.tensor("bias", &shape[..1])? } else { vec![0.0; shape[0]] };
            Ok((weight, bias))
        };
        let pointwise = |name: &str, inputs: usize, outputs: usize, bias: bool| -> Result<Linear> {
            let (weight, bias) = conv(name, [outputs, inputs, 1], bias)?;
            let weight = |row: usize, column: usize| weight[row * inputs + column] as f32;
            let (x, y) = (Vectors::one(inputs), Vectors::one(outputs));
            Ok(Linear::new(x, y, weight, |row| bias[row] as f32, keep))
        };
        let (mut layers, mut skips, mut skip_bias) = (Vec::new(), Vec::new(), vec![0.0; skip]);
        let dilations = config.dilations();
        for (i, &dilation) in dilations.iter().enumerate() {
            let shape = [dilated, residual, kernel_size];
            let halves = [
                conv(&format!("filter_convs.{i}"), shape, config.bias)?,
                conv(&format!("gate_convs.{i}"), shape, config.bias)?,
            ];
            let weight = |row: usize, column: usize| {
                let (tap, channel) = (column / residual, column % residual);
                let (half, row) = (row / dilated, row % dilated);
                halves[half].0[(row * residual + channel) * kernel_size + tap] as f32
            };
            let bias = |row: usize| halves[row / dilated].1[row % dilated] as f32;
            let x = Vectors::concatenated(kernel_size, residual);
            let taps = Linear::new(x, Vectors::concatenated(2, dilated), weight, bias, keep);
            let name = format!("residual_convs.{i}");
            let map = pointwise(&name, dilated, residual, config.bias)?;
            let residual = (i + 1 < dilations.len()).then_some(map);
            layers.push(Layer { taps, residual, dilation: size(dilation), kernel_size });
            let (weight, bias) = conv(&format!("skip_convs.{i}"), [skip, dilated, 1], config.bias)?;
            skips.push(weight);
            skip_bias.iter_mut().zip(bias).for_each(|(sum, bias)| *sum += bias);
        }
        let weight = |row: usize, column: usize| {
            skips[column / dilated][row * dilated + column % dilated] as f32
        };
        let x = Vectors::concatenated(layers.len(), dilated);
        Ok(Self {
            start: pointwise("start_conv", width, residual, config.bias)?,
            skip: Linear::new(x, Vectors::one(skip), weight, |row| skip_bias[row] as f32, keep),
            end: [
                pointwise("end_conv_1", skip, end, true)?,
                pointwise("end_conv_2", end, width, true)?,
            ],
            layers,
            residual_channels: residual,
        })
    }

    /// The state of `batch` sequences before their first input.
    pub fn state(&self, batch: usize) -> WaveNetState {
        let zeros = |lanes: usize| vec![Lanes::ZERO; batch * lanes];
        let (width, gated) = (self.start.outputs(), self.layers[0].taps.outputs());
        let ring = |layer: &Layer| zeros(layer.reach() * width);
        WaveNetState {
            position: 0,
            rings: self.layers.iter().map(ring).collect(),
            h: zeros(width),
            taps: zeros(self.layers[0].kernel_size * width),
            gated: zeros(gated),
            outputs: zeros(self.layers.len() * gated / 2),
            output: zeros(gated / 2),
            residual: zeros(width),
            skipped: zeros(self.skip.outputs()),
            end: zeros(self.end[0].outputs()),
        }
    }

    /// Moves `state` on by one position and replaces x by the output.
    pub fn step(&self, isa: Isa, x: &mut [Lanes], state: &mut WaveNetState) {
        let WaveNetState { position, rings, h, taps, gated, outputs, output, residual, .. } = state;
        let (width, out) = (self.start.outputs(), self.layers[0].taps.outputs() / 2);
        self.start.apply(isa, x, h);
        for (i, (layer, ring)) in self.layers.iter().zip(rings).enumerate() {
            layer.see(*position, ring, h, taps, width);
            layer.taps.apply(isa, taps, gated);
            gate(isa, output, gated, out);
            let all = outputs.chunks_exact_mut(self.layers.len() * out);
            for (all, output) in all.zip(output.chunks_exact(out)) {
                all[i * out..][..out].copy_from_slice(output);
            }
            if let Some(map) = &layer.residual {
                map.apply(isa, output, residual);
                add(isa, h, residual);
            }
        }
        self.skip.apply(isa, outputs, &mut state.skipped);
        activate(isa, Activation::Relu, &mut state.skipped);
        self.end[0].apply(isa, &state.skipped, &mut state.end);
        activate(isa, Activation::Relu, &mut state.end);
        self.end[1].apply(isa, &state.end, x);
        state.position += 1;
    }

    /// Fills the `state` of some sequences with theirs of `tensors` after `position` inputs: one
    /// tensor, the last inputs of all layers side by side, (B, residual channels, ·).
    pub fn load(
        &self,
        state: &mut WaveNetState,
        position: u64,
        tensors: &mut StateTensors,
    ) -> Result<()> {
        let (channels, width) = (self.residual_channels, self.start.outputs());
        let all: usize = self.layers.iter().map(Layer::reach).sum();
        state.position = position as usize;
        if all == 0 {
            return Ok(());
        }
        let rows = tensors.next("of what the filters see", channels * all)?;
        let mut vector = vec![0.0; channels];
        let mut first = 0;
        for (layer, ring) in self.layers.iter().zip(&mut state.rings) {
            let reach = layer.reach();
            if reach == 0 {
                continue;
            }
            let sequences = ring.chunks_exact_mut(reach * width);
            for (ring, row) in sequences.zip(rows.chunks_exact(channels * all)) {
                for at in 0..reach {
                    for (value, row) in vector.iter_mut().zip(row.chunks_exact(all)) {
                        *value = row[first + at];
                    }
                    let slot = (state.position + at) % reach;
                    pack_into(&vector, &mut ring[slot * width..][..width]);
                }
            }
            first += reach;
        }
        Ok(())
    }

    /// Rounds the weights to integers of 16 bits, and keeps all in `arena`.
    pub fn round(&mut self, arena: &mut Arena) {
        let Self { start, layers, skip, end, .. } = self;
        start.round(arena);
        for Layer { taps, residual, .. } in layers {
            taps.round(arena);
            residual.iter_mut().for_each(|map| map.round(arena));
        }
        skip.round(arena);
        end.iter_mut().for_each(|map| map.round(arena));
    }

    /// Bytes of weights that are read per position.
    pub fn bytes(&self) -> usize {
        let layer =
            |layer: &Layer| layer.taps.bytes() + layer.residual.as_ref().map_or(0, Linear::bytes);
        let layers: usize = self.layers.iter().map(layer).sum();
        let ends: usize = self.end.iter().map(Linear::bytes).sum();
        self.start.bytes() + layers + self.skip.bytes() + ends
    }
}

impl Layer {
    /// Positions that an output sees beside its own.
    fn reach(&self) -> usize {
        (self.kernel_size - 1) * self.dilation
    }

    /// Gathers the `taps` (B, K) of h (B), vectors of `width` lanes, and puts h into the `ring`.
    fn see(
        &self,
        position: usize,
        ring: &mut [Lanes],
        h: &[Lanes],
        taps: &mut [Lanes],
        width: usize,
    ) {
        let (kernel, reach) = (self.kernel_size, self.reach());
        let sequences = taps.chunks_exact_mut(kernel * width).zip(h.chunks_exact(width));
        for (sequence, (taps, h)) in sequences.enumerate() {
            let (past, present) = taps.split_at_mut((kernel - 1) * width);
            present.copy_from_slice(h);
            if reach == 0 {
                continue;
            }
            let ring = &mut ring[sequence * reach * width..][..reach * width];
            for (k, tap) in past.chunks_exact_mut(width).enumerate() {
                let slot = (position + k * self.dilation) % reach;
                tap.copy_from_slice(&ring[slot * width..][..width]);
            }
            ring[position % reach * width..][..width].copy_from_slice(h);
        }
    }
}

impl WaveNetState {
    /// The state of `times` sequences for the only one.
    pub fn repeat(&self, times: usize) -> Self {
        let all = |lanes: &Vec<Lanes>| lanes.repeat(times);
        Self {
            position: self.position,
            rings: self.rings.iter().map(all).collect(),
            h: all(&self.h),
            taps: all(&self.taps),
            gated: all(&self.gated),
            outputs: all(&self.outputs),
            output: all(&self.output),
            residual: all(&self.residual),
            skipped: all(&self.skipped),
            end: all(&self.end),
        }
    }
}
