//! SampleRNN: each tier is stepped at its own rate, and the network of the samples at every code.

use anyhow::{Result, ensure};
use s4_config::{Activation, SampleRnnConfig};

use crate::layer::activation::activate;
use crate::layer::add;
use crate::layer::gru::Gru;
use crate::layer::linear::{Linear, Vectors};
use crate::settings::size;
use crate::simd::{Arena, Isa, Lanes, WIDTH, lanes, pack, pack_into};
use crate::state_tensors::StateTensors;
use crate::weights::Place;

/// The weights.
#[derive(Debug, Clone)]
pub(crate) struct SampleRnn {
    /// The lowest first.
    tiers: Vec<Tier>,
    frames: Frames,
    /// What each of the last codes contributes to the input of the network of the samples: for each
    /// place, the oldest first, and each code a vector. The convolution of the codes' vectors, once
    /// for all.
    contributions: Vec<Vec<Lanes>>,
    hidden: Linear,
    output: Linear,
    /// Codes.
    levels: usize,
    /// Codes in the longest frame.
    stride: usize,
}

/// What frames hold of each code.
#[derive(Debug, Clone)]
enum Frames {
    /// Twice its amplitude.
    Amplitudes(Vec<f32>),
    /// A vector of some lanes.
    Vectors(Vec<Lanes>, usize),
}

#[derive(Debug, Clone)]
struct Tier {
    /// Codes in a frame.
    frame: usize,
    /// Vectors for the tier below.
    ratio: usize,
    /// Units of the recurrence.
    units: usize,
    expand: Linear,
    cells: Vec<Gru>,
    /// Of each cell.
    start: Vec<Vec<Lanes>>,
    upsample: Linear,
}

/// What a network remembers of some sequences, and scratch space.
#[derive(Debug)]
pub(crate) struct SampleRnnState {
    /// Positions so far.
    position: usize,
    /// The last `stride` codes of each sequence.
    window: Vec<u16>,
    tiers: Vec<TierState>,
    input: Vec<Lanes>,
    hidden: Vec<Lanes>,
}

#[derive(Debug)]
struct TierState {
    /// Of each cell.
    h: Vec<Vec<Lanes>>,
    frame: Vec<Lanes>,
    x: Vec<Lanes>,
    /// Scratch space of the cells.
    gates: [Vec<Lanes>; 2],
    /// What is below gets, (B, ratio).
    condition: Vec<Lanes>,
}

impl SampleRnn {
    /// Reads a network whose vectors of codes have `width` channels.
    pub fn read(place: &Place, width: usize, config: &SampleRnnConfig) -> Result<Self> {
        let samples = place.sub("sample_level_mlp");
        let vectors = samples.sub("embedding").rows("weight", width)?;
        let levels = vectors.len() / width;
        ensure!(levels <= 1 << 16, "the model has {levels} codes, which must fit 16 bits");
        let h = size(config.d_hidden);
        let frames = if config.embed_frames {
            let rows = place.sub("encoder").tensor("weight", &[levels, width])?;
            let vector = |row: &[f64]| pack(row.iter().map(|&x| x as f32));
            Frames::Vectors(rows.chunks_exact(width).flat_map(vector).collect(), lanes(width))
        } else {
            let amplitude =
                |code| 2.0 * config.companding.amplitude(code as f64, levels as f64) as f32;
            Frames::Amplitudes((0..levels).map(amplitude).collect())
        };
        let sizes = config.frame_sizes.iter().zip(config.frames());
        let tier = |(i, (&ratio, frame)): (usize, (&i64, i64))| {
            let place = place.sub(format_args!("frame_level_rnns.{i}"));
            Tier::read(&place, width, config, size(ratio), size(frame))
        };
        let tiers = sizes.enumerate().map(tier).collect::<Result<_>>()?;

        let taps = size(config.frame_sizes[0]);
        let input = samples.sub("input").weight(&[h, width, taps], config.weight_norm)?;
        let contribution = |tap: usize| -> Vec<Lanes> {
            let row = |vector: &[f64]| {
                let sum = |unit: usize| {
                    let weights = (0..width).map(|c| input[(unit * width + c) * taps + tap]);
                    weights.zip(vector).map(|(weight, x)| weight * x).sum::<f64>() as f32
                };
                pack((0..h).map(sum))
            };
            vectors.chunks_exact(width).flat_map(row).collect()
        };
        let map = |name: &str, outputs: usize| -> Result<Linear> {
            let place = samples.sub(name);
            let shape = [outputs, h, 1];
            let shape = if config.embed_frames { &shape[..2] } else { &shape };
            let weight = place.weight(shape, config.weight_norm)?;
            let bias = place.tensor("bias", &[outputs])?;
            let weight = |row: usize, column: usize| weight[row * h + column] as f32;
            let keep = |lanes: &[Lanes]| place.keep(lanes);
            let bias = |row: usize| bias[row] as f32;
            Ok(Linear::new(Vectors::one(h), Vectors::one(outputs), weight, bias, keep))
        };
        Ok(Self {
            tiers,
            frames,
            contributions: (0..taps).map(contribution).collect(),
            hidden: map("hidden", h)?,
            output: map("output", levels)?,
            levels,
            stride: size(config.stride()),
        })
    }

    /// Codes, and outputs.
    pub fn levels(&self) -> usize {
        self.levels
    }

    /// The state of `batch` sequences before their first input.
    pub fn state(&self, batch: usize) -> SampleRnnState {
        let zeros = |lanes: usize| vec![Lanes::ZERO; batch * lanes];
        let width = self.hidden.outputs();
        let tier = |tier: &Tier| TierState {
            h: tier.start.iter().map(|start| start.repeat(batch)).collect(),
            frame: zeros(tier.expand.inputs()),
            x: zeros(width),
            gates: [zeros(3 * width), zeros(3 * width)],
            condition: zeros(tier.ratio * width),
        };
        SampleRnnState {
            position: 0,
            window: vec![(self.levels / 2) as u16; batch * self.stride],
            tiers: self.tiers.iter().map(tier).collect(),
            input: zeros(width),
            hidden: zeros(width),
        }
    }

    /// Moves `state` on by one position: replaces x, whose first numbers are the codes, by the
    /// output.
    pub fn step(&self, isa: Isa, x: &mut [Lanes], state: &mut SampleRnnState) {
        let SampleRnnState { position, window, tiers, input, hidden } = state;
        let (stride, width) = (self.stride, self.hidden.outputs());
        let codes = x.chunks_exact(self.output.outputs());
        for (window, x) in window.chunks_exact_mut(stride).zip(codes) {
            window.copy_within(1.., 0);
            window[stride - 1] = x[0].0[0] as u16;
        }
        for (i, tier) in self.tiers.iter().enumerate().rev() {
            if *position % tier.frame == 0 {
                let (below, above) = tiers.split_at_mut(i + 1);
                let own = &mut below[i];
                self.frames.fill(window, stride, tier.frame, &mut own.frame);
                tier.expand.apply(isa, &own.frame, &mut own.x);
                if let (Some(upper), Some(state)) = (self.tiers.get(i + 1), above.first()) {
                    let at = *position / tier.frame % upper.ratio;
                    add_condition(isa, &mut own.x, &state.condition, upper.ratio, at, width);
                }
                tier.step(isa, own);
            }
        }
        let sequences = input.chunks_exact_mut(width).zip(window.chunks_exact(stride));
        for (input, window) in sequences {
            input.fill(Lanes::ZERO);
            let seen = &window[stride - self.contributions.len()..];
            for (contributions, &code) in self.contributions.iter().zip(seen) {
                add(isa, input, &contributions[usize::from(code) * width..][..width]);
            }
        }
        let ratio = self.tiers[0].ratio;
        add_condition(isa, input, &tiers[0].condition, ratio, *position % ratio, width);
        activate(isa, Activation::Relu, input);
        self.hidden.apply(isa, input, hidden);
        activate(isa, Activation::Relu, hidden);
        self.output.apply(isa, hidden, x);
        *position += 1;
    }

    /// Fills the `state` of some sequences with theirs of `tensors` after `position` inputs: the
    /// window (B, stride - 1); and for each tier, the lowest first, the state (B, layers, H) and, in
    /// the midst of a frame, what it still has for the tier below, (B, H, ·).
    pub fn load(
        &self,
        state: &mut SampleRnnState,
        position: u64,
        tensors: &mut StateTensors,
    ) -> Result<()> {
        let stride = self.stride;
        state.position = position as usize;
        if stride > 1 {
            let rows = tensors.next("of the last codes", stride - 1)?;
            let windows = state.window.chunks_exact_mut(stride);
            for (window, row) in windows.zip(rows.chunks_exact(stride - 1)) {
                for (code, &number) in window[1..].iter_mut().zip(row) {
                    *code = (number as usize).min(self.levels - 1) as u16;
                }
            }
        }
        let width = self.hidden.outputs();
        for (tier, own) in self.tiers.iter().zip(&mut state.tiers) {
            let (units, layers) = (tier.units, tier.cells.len());
            let rows = tensors.next("of a tier", layers * units)?;
            for (sequence, row) in rows.chunks_exact(layers * units).enumerate() {
                for (h, row) in own.h.iter_mut().zip(row.chunks_exact(units)) {
                    pack_into(row, &mut h[sequence * width..][..width]);
                }
            }
            let used = (state.position % tier.frame).div_ceil(tier.frame / tier.ratio);
            if used == 0 || used == tier.ratio {
                continue;
            }
            let left = tier.ratio - used;
            let rows = tensors.next("of what a tier has made", units * left)?;
            let mut vector = vec![0.0; units];
            for (sequence, row) in rows.chunks_exact(units * left).enumerate() {
                for at in 0..left {
                    for (value, row) in vector.iter_mut().zip(row.chunks_exact(left)) {
                        *value = row[at];
                    }
                    let place = sequence * tier.ratio + used + at;
                    pack_into(&vector, &mut own.condition[place * width..][..width]);
                }
            }
        }
        Ok(())
    }

    /// Rounds the weights of linear maps to integers of 16 bits, and keeps all in `arena`.
    pub fn round(&mut self, arena: &mut Arena) {
        for Tier { expand, cells, upsample, .. } in &mut self.tiers {
            expand.round(arena);
            cells.iter_mut().for_each(|cell| cell.round(arena));
            upsample.round(arena);
        }
        self.hidden.round(arena);
        self.output.round(arena);
    }

    /// Bytes of weights that are read per position, on average.
    pub fn bytes(&self) -> f64 {
        let tier = |tier: &Tier| {
            let cells: usize = tier.cells.iter().map(Gru::bytes).sum();
            (tier.expand.bytes() + cells + tier.upsample.bytes()) as f64 / tier.frame as f64
        };
        let vectors = self.contributions.len() * self.hidden.outputs() * size_of::<Lanes>();
        let samples = vectors + self.hidden.bytes() + self.output.bytes();
        self.tiers.iter().map(tier).sum::<f64>() + samples as f64
    }
}

/// x (B) += the vectors of `condition` (B, ratio) at the place `at`, of `width` lanes each.
fn add_condition(
    isa: Isa,
    x: &mut [Lanes],
    condition: &[Lanes],
    ratio: usize,
    at: usize,
    width: usize,
) {
    let conditions = condition.chunks_exact(ratio * width);
    for (x, condition) in x.chunks_exact_mut(width).zip(conditions) {
        add(isa, x, &condition[at * width..][..width]);
    }
}

impl Frames {
    /// Fills `frame` (B) with what there is of the last `size` codes of each `window`.
    fn fill(&self, windows: &[u16], stride: usize, size: usize, frame: &mut [Lanes]) {
        let sequences = windows.len() / stride;
        let width = frame.len() / sequences;
        for (frame, window) in frame.chunks_exact_mut(width).zip(windows.chunks_exact(stride)) {
            let codes = window[stride - size..].iter().map(|&code| usize::from(code));
            match self {
                Frames::Amplitudes(amplitudes) => {
                    for (i, code) in codes.enumerate() {
                        frame[i / WIDTH].0[i % WIDTH] = amplitudes[code];
                    }
                }
                Frames::Vectors(vectors, width) => {
                    for (vector, code) in frame.chunks_exact_mut(*width).zip(codes) {
                        vector.copy_from_slice(&vectors[code * width..][..*width]);
                    }
                }
            }
        }
    }
}

impl Tier {
    fn read(
        place: &Place,
        width: usize,
        config: &SampleRnnConfig,
        ratio: usize,
        frame: usize,
    ) -> Result<Self> {
        let (units, layers) = (size(config.d_hidden), size(config.n_rnn));
        let is_embedded = config.embed_frames;
        let is_normed = config.weight_norm || is_embedded;
        let keep = |lanes: &[Lanes]| place.keep(lanes);
        let one = Vectors::one(units);

        let input = place.sub("input_expand");
        let bias = input.tensor("bias", &[units])?;
        let bias = |row: usize| bias[row] as f32;
        let expand = if is_embedded {
            let weight = input.weight(&[units, width, frame], is_normed)?;
            let weight = |row: usize, column: usize| {
                let (place, channel) = (column / width, column % width);
                weight[(row * width + channel) * frame + place] as f32
            };
            Linear::new(Vectors::concatenated(frame, width), one, weight, bias, keep)
        } else {
            let weight = input.weight(&[units, frame, 1], is_normed)?;
            let weight = |row: usize, column: usize| weight[row * frame + column] as f32;
            Linear::new(Vectors::one(frame), one, weight, bias, keep)
        };

        let rnn = place.sub("rnn");
        let cells =
            (0..layers).map(|layer| Gru::read(&rnn, layer, units)).collect::<Result<_>>()?;
        let start = if config.learn_h0 {
            rnn.tensor("h0", &[layers, 1, units])?
        } else {
            vec![0.0; layers * units]
        };
        let start = start.chunks_exact(units).map(|h| pack(h.iter().map(|&x| x as f32)));

        let up = place.sub("upsampling");
        let shape = [units, units, ratio];
        let (weight, bias) = if is_embedded {
            (up.weight(&shape, is_normed)?, up.tensor("bias", &[units])?)
        } else {
            (up.sub("conv_t").weight(&shape, is_normed)?, up.tensor("bias", &[units, ratio])?)
        };
        // Rows are those of one vector after the other.
        let bias = |row: usize| {
            let (place, unit) = (row / units, row % units);
            bias[if is_embedded { unit } else { unit * ratio + place }] as f32
        };
        let weight = |row: usize, column: usize| {
            let (place, unit) = (row / units, row % units);
            weight[(column * units + unit) * ratio + place] as f32
        };
        let upsample = Linear::new(one, Vectors::concatenated(ratio, units), weight, bias, keep);
        Ok(Self { frame, ratio, units, expand, cells, start: start.collect(), upsample })
    }

    /// The recurrence over the frame that `state.x` has been made of.
    fn step(&self, isa: Isa, state: &mut TierState) {
        let TierState { h, x, gates, condition, .. } = state;
        for (cell, h) in self.cells.iter().zip(h) {
            cell.step(isa, x, h, gates);
            x.copy_from_slice(h);
        }
        self.upsample.apply(isa, x, condition);
    }
}

impl SampleRnnState {
    /// The state of `times` sequences for the only one.
    pub fn repeat(&self, times: usize) -> Self {
        let all = |lanes: &Vec<Lanes>| lanes.repeat(times);
        let tier = |tier: &TierState| TierState {
            h: tier.h.iter().map(all).collect(),
            frame: all(&tier.frame),
            x: all(&tier.x),
            gates: [all(&tier.gates[0]), all(&tier.gates[1])],
            condition: all(&tier.condition),
        };
        Self {
            position: self.position,
            window: self.window.repeat(times),
            tiers: self.tiers.iter().map(tier).collect(),
            input: all(&self.input),
            hidden: all(&self.hidden),
        }
    }
}
