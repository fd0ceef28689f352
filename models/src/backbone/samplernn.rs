//! SampleRNN (Mehri et al. 2017), as in the SaShiMi paper: recurrences over frames of codes at
//! several rates, and a network for each code.
//!
//! Shapes: B batch, L length, K codes, H units, F frames.

use anyhow::{Context, Result, bail, ensure};
use s4_config::{Input, Output, SampleRnnConfig, Shape};
use s4_core::layer::linear::DenseKind;
use s4_core::layer::weight::{Weight, uniform};
use s4_core::layer::{Pass, SequenceLayer, State, Stepper, check_sequences};
use s4_core::params::{Hyper, Scope};
use s4_core::recurrence::StepMode;
use tch::{Device, Kind, Tensor};

use super::rnn::{Cell, Part, Rnn};
use crate::conv::Conv;

/// Codes (B, 1, L) to scores of what follows (B, K, L).
///
/// Its state is the window, the last codes that frames still see, (B, stride - 1) int64; and for each
/// tier, the lowest first, that of its recurrence (B, layers, H) and what it has made for positions
/// that are still to come, (B, H, ·): nothing, once a whole number of the longest frames is complete.
#[derive(Debug)]
pub struct SampleRnn {
    /// The lowest first.
    tiers: Vec<Tier>,
    frames: Frames,
    samples: Samples,
    /// Codes in the longest frame.
    stride: i64,
    /// The code of silence, which stands before every sequence.
    zero: i64,
}

/// What the frames hold.
#[derive(Debug)]
enum Frames {
    /// Twice the amplitude of every code (K), each at a channel of its own.
    Amplitudes(Tensor),
    /// The vector of every code (K, C).
    Vectors(Tensor),
}

/// A recurrence over frames.
#[derive(Debug)]
struct Tier {
    /// Codes in a frame.
    frame: i64,
    expand: Conv,
    rnn: Rnn,
    /// The state before the first frame, (layers, 1, H); zeros where it is not learned.
    start: Option<Tensor>,
    /// From a frame to as many positions of the tier below, (H, H, ratio).
    upsample: Weight,
    /// (H, ratio), or (H).
    bias: Tensor,
    ratio: i64,
}

/// What scores codes under the condition of the lowest tier.
#[derive(Debug)]
struct Samples {
    /// (K, C).
    embedding: Tensor,
    input: Conv,
    hidden: Conv,
    output: Conv,
}

impl SampleRnn {
    /// Registers `frame_level_rnns.{i}.*`, `sample_level_mlp.*` and, where frames are embedded,
    /// `encoder.weight`; vectors of codes have `width` channels.
    ///
    /// # Errors
    /// If the config is contradictory, or the data are not codes of which the next is asked for.
    pub fn new(
        scope: &mut Scope,
        width: i64,
        config: &SampleRnnConfig,
        shape: Shape,
    ) -> Result<Self> {
        config.validate()?;
        let (Input::Tokens { vocabulary }, Output::PerPosition(outputs)) =
            (shape.input, shape.output)
        else {
            bail!(
                "model.backbone = \"samplernn\" predicts the next code of a sequence of codes; for \
                 other data choose another backbone"
            )
        };
        let frames = if config.embed_frames {
            let vectors = Tensor::randn([vocabulary, width], (Kind::Float, Device::Cpu));
            let mut scope = scope.sub("encoder");
            Frames::Vectors(scope.parameter("weight", &vectors, Hyper::GLOBAL)?)
        } else {
            let amplitude =
                |code| 2.0 * config.companding.amplitude(code as f64, vocabulary as f64);
            let amplitudes: Vec<f64> = (0..vocabulary).map(amplitude).collect();
            let table = Tensor::f_from_slice(&amplitudes)?;
            Frames::Amplitudes(table.to_kind(scope.kind()).to_device(scope.device()))
        };
        let mut tiers = Vec::new();
        for (i, (&ratio, frame)) in config.frame_sizes.iter().zip(config.frames()).enumerate() {
            let mut scope = scope.sub(format_args!("frame_level_rnns.{i}"));
            tiers.push(Tier::new(&mut scope, width, config, frame, ratio)?);
        }
        let mut scope = scope.sub("sample_level_mlp");
        let samples = Samples::new(&mut scope, width, config, vocabulary, outputs)?;
        Ok(Self { tiers, frames, samples, stride: config.stride(), zero: vocabulary / 2 })
    }

    /// Codes (B, stride - 1 + L), of which the first are the window, to scores (B, K, L).
    fn run(&self, codes: &Tensor, states: &mut [Tensor], pass: &Pass) -> Result<Tensor> {
        let len = codes.size()[1] - (self.stride - 1);
        let mut condition: Option<Tensor> = None; // (B, H, F)
        for (tier, state) in self.tiers.iter().zip(states).rev() {
            let frames = codes.narrow(1, self.stride - tier.frame, len);
            let x = tier.expand.forward(&self.framed(&frames, tier.frame), pass.dense)?;
            let x = match condition {
                None => x,
                Some(condition) => x + condition,
            };
            let (y, next) = tier.rnn.run(&x.transpose(1, 2), state, pass.train)?;
            *state = next;
            condition = Some(tier.upsampled(&y.transpose(1, 2))?);
        }
        let condition = condition.context("there is a tier at least")?;
        let seen = self.samples.input.reach();
        let codes = codes.narrow(1, self.stride - 1 - seen, seen + len);
        self.samples.forward(&codes, &condition, pass.dense)
    }

    /// Codes (B, F·size) as what the convolution of a tier makes F frames of.
    fn framed(&self, codes: &Tensor, size: i64) -> Tensor {
        match &self.frames {
            Frames::Amplitudes(table) => {
                table
                    .index_select(0, &codes.flatten(0, 1))
                    .view([codes.size()[0], -1, size])
                    .transpose(1, 2) // (B, size, F)
            }
            Frames::Vectors(table) => embedded(table, codes), // (B, C, F·size)
        }
    }

    /// x (B, 1, L) as codes (B, L).
    fn codes(&self, x: &Tensor) -> Result<Tensor> {
        check_sequences(x, 1)?;
        Ok(x.squeeze_dim(1).to_kind(Kind::Int64))
    }
}

impl SequenceLayer for SampleRnn {
    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let len = x.size().last().copied().unwrap_or_default();
        // What comes behind the end has no effect on what is before it.
        let whole = x.constant_pad_nd([0, (-len).rem_euclid(self.stride)]);
        let state = self.default_state(x.size()[0])?;
        Ok(self.forward_with_state(&whole, &state, pass)?.0.narrow(2, 0, len))
    }

    fn forward_with_state(
        &self,
        x: &Tensor,
        state: &State,
        pass: &Pass,
    ) -> Result<(Tensor, State)> {
        let codes = self.codes(x)?;
        let len = codes.size()[1];
        ensure!(
            len % self.stride == 0,
            "SampleRNN carries a state on over multiples of {} positions, not over {len}",
            self.stride
        );
        ensure!(
            state.len() == self.state_len(),
            "SampleRNN has {} state tensors, got {}",
            self.state_len(),
            state.len()
        );
        ensure!(
            state[2..].iter().step_by(2).all(|queue| queue.numel() == 0),
            "the state is in the midst of a frame: go on by steps"
        );
        let codes = Tensor::f_cat(&[&state[0], &codes], 1)?;
        let mut states: Vec<_> = state[1..].iter().step_by(2).map(Tensor::shallow_clone).collect();
        let scores = self.run(&codes, &mut states, pass)?;
        let mut next = vec![codes.narrow(1, len, self.stride - 1)];
        for (state, queue) in states.into_iter().zip(state[2..].iter().step_by(2)) {
            next.extend([state, queue.shallow_clone()]);
        }
        Ok((scores, next))
    }

    fn default_state(&self, batch: i64) -> Result<State> {
        let device = self.samples.embedding.device();
        let window = Tensor::f_full([batch, self.stride - 1], self.zero, (Kind::Int64, device))?;
        let mut state = vec![window];
        for tier in &self.tiers {
            state.push(match &tier.start {
                None => tier.rnn.default_state(batch),
                Some(start) => start.transpose(0, 1).expand([batch, -1, -1], false).contiguous(),
            });
            state.push(Tensor::zeros([batch, tier.rnn.width(), 0], tier.rnn.options()));
        }
        Ok(state)
    }

    fn state_len(&self) -> usize {
        1 + 2 * self.tiers.len()
    }

    fn stride(&self) -> i64 {
        self.stride
    }

    fn stepper(&self, _: StepMode, _: f64) -> Result<Box<dyn Stepper + '_>> {
        Ok(Box::new(SampleRnnStepper(self)))
    }
}

impl Tier {
    fn new(
        scope: &mut Scope,
        width: i64,
        config: &SampleRnnConfig,
        frame: i64,
        ratio: i64,
    ) -> Result<Self> {
        let h = config.d_hidden;
        let is_normed = config.weight_norm || config.embed_frames;
        let shape = if config.embed_frames { [h, width, frame] } else { [h, frame, 1] };
        let mut place = scope.sub("input_expand");
        let weight = he(&shape);
        let weight = registered(&mut place, &weight, is_normed)?;
        let stride = if config.embed_frames { frame } else { 1 };
        let expand = Conv::from_weight(&mut place, weight, Some(&zeros(&[h])))?.with_stride(stride);

        let mut place = scope.sub("rnn");
        let bound = (3.0 / h as f64).sqrt();
        let draw = |part, shape: &[i64]| match part {
            Part::InputWeight => uniform(shape, bound),
            Part::RecurrentWeight => {
                let candidate = orthogonal(h);
                Tensor::cat(&[uniform(&[2 * h, h], bound), candidate], 0)
            }
            Part::Bias => zeros(shape),
        };
        let rnn = Rnn::drawn(&mut place, Cell::Gru, [h, h, config.n_rnn], "", draw)?;
        let start = config
            .learn_h0
            .then(|| place.parameter("h0", &zeros(&[config.n_rnn, 1, h]), Hyper::NO_DECAY))
            .transpose()?;

        let mut place = scope.sub("upsampling");
        let weight = uniform(&[h, h, ratio], (6.0 / h as f64).sqrt());
        let bias = if config.embed_frames { zeros(&[h]) } else { zeros(&[h, ratio]) };
        let bias = place.parameter("bias", &bias, Hyper::NO_DECAY)?;
        let upsample = if config.embed_frames {
            registered(&mut place, &weight, is_normed)?
        } else {
            registered(&mut place.sub("conv_t"), &weight, is_normed)?
        };
        Ok(Self { frame, expand, rnn, start, upsample, bias, ratio })
    }

    /// x (B, H, F) to (B, H, F·ratio).
    fn upsampled(&self, x: &Tensor) -> Result<Tensor> {
        let (weight, none) = (self.upsample.tensor(), None::<&Tensor>);
        let y = x.f_conv_transpose1d(&weight, none, self.ratio, 0, 0, 1, 1)?;
        let bias = match self.bias.dim() {
            1 => self.bias.unsqueeze(-1),
            _ => self.bias.repeat([1, x.size()[2]]),
        };
        Ok(y + bias)
    }
}

impl Samples {
    fn new(
        scope: &mut Scope,
        width: i64,
        config: &SampleRnnConfig,
        vocabulary: i64,
        outputs: i64,
    ) -> Result<Self> {
        let (h, normed) = (config.d_hidden, config.weight_norm);
        let vectors = Tensor::randn([vocabulary, width], (Kind::Float, Device::Cpu));
        let embedding = scope.sub("embedding").parameter("weight", &vectors, Hyper::GLOBAL)?;
        let mut place = scope.sub("input");
        let weight = registered(&mut place, &he(&[h, width, config.frame_sizes[0]]), normed)?;
        let input = Conv::from_weight(&mut place, weight, None)?;
        // Linear maps rather than convolutions, where frames are embedded.
        let map =
            |outputs: i64| if config.embed_frames { vec![outputs, h] } else { vec![outputs, h, 1] };
        let mut place = scope.sub("hidden");
        let weight = registered(&mut place, &he(&map(h)), normed)?;
        let hidden = Conv::from_weight(&mut place, weight, Some(&zeros(&[h])))?;
        let mut place = scope.sub("output");
        let weight = uniform(&map(outputs), (3.0 / h as f64).sqrt());
        let weight = registered(&mut place, &weight, normed)?;
        let output = Conv::from_weight(&mut place, weight, Some(&zeros(&[outputs])))?;
        Ok(Self { embedding, input, hidden, output })
    }

    /// Codes (B, seen + L) and the condition (B, H, L) to scores (B, K, L).
    fn forward(&self, codes: &Tensor, condition: &Tensor, dense: DenseKind) -> Result<Tensor> {
        let x = self.input.forward(&embedded(&self.embedding, codes), dense)? + condition;
        let x = self.hidden.forward(&x.relu(), dense)?;
        self.output.forward(&x.relu(), dense)
    }
}

/// [`SampleRnn`], one code at a time: a tier makes its next vectors when those that it has made are
/// used up.
#[derive(Debug)]
struct SampleRnnStepper<'a>(&'a SampleRnn);

impl SampleRnnStepper<'_> {
    /// The next vector (B, H, 1) that the lowest of `tiers`, whose states these are, has for what is
    /// below it.
    fn condition(&self, tiers: &[Tier], window: &Tensor, state: &mut [Tensor]) -> Result<Tensor> {
        let (tier, above) = tiers.split_first().context("there is a tier at least")?;
        let (own, others) = state.split_at_mut(2);
        if own[1].numel() == 0 {
            let frame = window.narrow(1, window.size()[1] - tier.frame, tier.frame);
            let mut x = tier.expand.forward(&self.0.framed(&frame, tier.frame), DenseKind::Full)?;
            if !above.is_empty() {
                x += self.condition(above, window, others)?;
            }
            let (y, next) = tier.rnn.step(&x.squeeze_dim(2), &own[0]);
            own[0] = next;
            own[1] = tier.upsampled(&y.unsqueeze(2))?;
        }
        let next = own[1].narrow(2, 0, 1);
        own[1] = own[1].narrow(2, 1, own[1].size()[2] - 1);
        Ok(next)
    }
}

impl Stepper for SampleRnnStepper<'_> {
    fn step(&self, x: &Tensor, state: &State) -> (Tensor, State) {
        let SampleRnn { tiers, samples, stride, .. } = self.0;
        let step = || -> Result<(Tensor, State)> {
            let codes = self.0.codes(&x.unsqueeze(2))?;
            let window = Tensor::f_cat(&[&state[0], &codes], 1)?; // (B, stride)
            let mut next: State = state.iter().map(Tensor::shallow_clone).collect();
            let condition = self.condition(tiers, &window, &mut next[1..])?;
            next[0] = window.narrow(1, 1, stride - 1);
            let seen = samples.input.reach() + 1;
            let codes = window.narrow(1, stride - seen, seen);
            let scores = samples.forward(&codes, &condition, DenseKind::Full)?;
            Ok((scores.squeeze_dim(2), next))
        };
        step().expect("the state is the network's own")
    }
}

/// Vectors (K, C) of codes (B, L), (B, C, L).
fn embedded(vectors: &Tensor, codes: &Tensor) -> Tensor {
    Tensor::embedding(vectors, codes, -1, false, false).transpose(1, 2)
}

fn registered(scope: &mut Scope, value: &Tensor, normed: bool) -> Result<Weight> {
    if normed { Weight::normed(scope, value) } else { Weight::plain(scope, value) }
}

/// Values for maps in front of a rectifier (He et al. 2015): uniform in ±√(6/fan-in).
fn he(shape: &[i64]) -> Tensor {
    let fan_in: i64 = shape[1..].iter().product();
    uniform(shape, (6.0 / fan_in as f64).sqrt())
}

fn zeros(shape: &[i64]) -> Tensor {
    Tensor::zeros(shape, (Kind::Float, Device::Cpu))
}

/// A random orthogonal matrix (Saxe et al. 2014).
fn orthogonal(size: i64) -> Tensor {
    let normal = Tensor::randn([size, size], (Kind::Float, Device::Cpu));
    let (q, r) = Tensor::linalg_qr(&normal, "reduced");
    q * r.diagonal(0, 0, 1).sign()
}
