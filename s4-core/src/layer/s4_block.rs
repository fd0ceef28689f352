//! The S4 block: SSM convolution, skip D, activation, dropout, and a position-wise map that mixes
//! the channels.

use anyhow::{Result, ensure};
use s4_config::{Activation, Convolution, FinalAct, KernelMethod, S4BlockConfig};
use tch::{Device, Kind, Tensor};

use super::activation::activate;
use super::dropout::Dropout;
use super::glu::linear_glu;
use super::inspect::{Inspect, Place};
use super::linear::{DenseKind, Linear};
use super::{Pass, SequenceLayer, State, Stepper, check_causal, check_sequences, mask};
use crate::conv::chunked::scan;
use crate::conv::plan;
use crate::conv::plan::Plan;
use crate::conv::plan::Size;
use crate::conv::{chunked, fft};
use crate::gpu;
use crate::kernel::block_powers;
use crate::params::{Hyper, Scope};
use crate::recurrence::{Recurrence, StepMode};
use crate::ssm::Ssm;
use crate::ssm::discrete::DiscreteSsm;
use crate::ssm::minimal::MinimalParameters;
use crate::ssm::parameters::SsmParameters;
use crate::ssm::parameters::round_half_even;

/// An S4 or S4D layer on sequences (B, H, L).
#[derive(Debug)]
pub struct S4Block {
    systems: Systems,
    d: Tensor,
    output: Option<Linear>,
    bidirectional: bool,
    l_max: Option<i64>,
    convolution: Convolution,
    activation: Activation,
    final_act: FinalAct,
    dropout: Dropout,
}

/// Channels and values of the kernels that are shown while a model trains.
const SHOWN_CHANNELS: i64 = 64;
const SHOWN_LENGTH: i64 = 512;

/// Where the layer's SSMs come from.
#[derive(Debug)]
pub enum Systems {
    /// The parameters of S4 and S4D.
    Full(Box<SsmParameters>),
    /// Those of the stand-alone S4D layer.
    Minimal(MinimalParameters),
}

impl Systems {
    fn ssm(&self, rate: f64) -> Ssm {
        match self {
            Systems::Full(p) => p.ssm(rate),
            Systems::Minimal(p) => p.ssm(rate),
        }
    }

    /// The discrete systems for sequences of `len` inputs.
    fn discrete(&self, rate: f64, len: i64) -> Result<DiscreteSsm> {
        match self {
            Systems::Full(p) => p.discrete(rate, len),
            Systems::Minimal(p) => p.ssm(rate).discretise(len),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Systems::Full(p) => p.kind(),
            Systems::Minimal(p) => p.kind(),
        }
    }

    /// Whether they are S4D.
    fn are_diagonal(&self) -> bool {
        match self {
            Systems::Full(p) => p.is_diagonal(),
            Systems::Minimal(_) => true,
        }
    }

    /// Real states N of a system.
    fn states(&self) -> i64 {
        match self {
            Systems::Full(p) => p.states(),
            Systems::Minimal(p) => p.states(),
        }
    }
}

impl S4Block {
    /// Registers `layer.D`, `layer.kernel.*` and `output_linear.0.*` for H = `d_model` channels.
    ///
    /// # Errors
    /// If the config is contradictory.
    pub fn new(
        scope: &mut Scope,
        d_model: i64,
        config: &S4BlockConfig,
        dropout: Dropout,
    ) -> Result<Self> {
        let channels = config.channels;
        ensure!(channels >= 1, "channels must be at least 1, got {channels}");
        let mut layer = scope.sub("layer");
        let d = Tensor::randn([channels, d_model], (Kind::Float, Device::Cpu));
        let d = layer.parameter("D", &d, Hyper::GLOBAL)?;
        let kernels = if config.bidirectional { 2 * channels } else { channels };
        let parameters =
            SsmParameters::new(&mut layer.sub("kernel"), d_model, kernels, &config.ssm)?;
        let width = match config.final_act {
            FinalAct::None => None,
            FinalAct::Glu => Some(2 * d_model),
            FinalAct::Pointwise(_) => Some(d_model),
        };
        let output = match width {
            None => {
                ensure!(channels == 1, "without an output map channels must be 1, got {channels}");
                None
            }
            Some(width) => {
                let mut scope = scope.sub("output_linear.0");
                Some(Linear::new(&mut scope, channels * d_model, width, Hyper::NO_DECAY)?)
            }
        };
        Ok(Self {
            systems: Systems::Full(Box::new(parameters)),
            d,
            output,
            bidirectional: config.bidirectional,
            l_max: config.l_max,
            convolution: config.convolution,
            activation: config.activation,
            final_act: config.final_act,
            dropout,
        })
    }

    /// The stand-alone S4D layer (`models/s4/s4d.py`): `D`, `kernel.*`, `output_linear.0.*` with
    /// GLU, causal; `ssm_lr` is the learning rate of Δ and A.
    ///
    /// # Errors
    /// If `d_state` is odd.
    pub fn minimal(
        scope: &mut Scope,
        d_model: i64,
        d_state: i64,
        dropout: Dropout,
        ssm_lr: Option<f64>,
    ) -> Result<Self> {
        let d = Tensor::randn([d_model], (Kind::Float, Device::Cpu));
        let d = scope.parameter("D", &d, Hyper::GLOBAL)?;
        let step_sizes = (1e-3, 1e-1);
        let parameters =
            MinimalParameters::new(&mut scope.sub("kernel"), d_model, d_state, step_sizes, ssm_lr)?;
        let mut output = scope.sub("output_linear.0");
        let output = Linear::pointwise(&mut output, d_model, 2 * d_model, Hyper::GLOBAL)?;
        Ok(Self {
            systems: Systems::Minimal(parameters),
            d: d.unsqueeze(0),
            output: Some(output),
            bidirectional: false,
            l_max: None,
            convolution: Convolution::Auto,
            activation: Activation::Gelu,
            final_act: FinalAct::Glu,
            dropout,
        })
    }

    /// The layer's SSM parameters.
    pub fn systems(&mut self) -> &mut Systems {
        &mut self.systems
    }

    /// The SSM's response (B, C, H, L) to x (B, H, L), skip included.
    fn convolve(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let len = x.size()[2];
        let skip = Some(&self.d);
        if let Plan::Chunks(chunk) = self.plan_in(x.kind(), len, false, pass) {
            let discrete = self.systems.discrete(pass.rate, len)?;
            return if self.bidirectional {
                chunked::bidirectional(&discrete, x, skip, chunk)
            } else {
                chunked::causal(&discrete, x, skip, chunk)
            };
        }
        let taps = self.kernel_length(len, pass.rate);
        let k = self.kernel(&self.systems.discrete(pass.rate, taps)?, taps, pass)?;
        let exact = x.to_kind(self.systems.kind());
        let y = if self.bidirectional {
            let half = k.size()[0] / 2;
            fft::bidirectional(&exact, &k.narrow(0, 0, half), &k.narrow(0, half, half), skip)
        } else {
            fft::causal(&exact, &k, skip)
        };
        Ok(y?.to_kind(x.kind()))
    }

    /// The first `len` values of the kernels.
    fn kernel(&self, discrete: &DiscreteSsm, len: i64, pass: &Pass) -> Result<Tensor> {
        let kind = self.systems.kind();
        match pass.kernel {
            KernelMethod::BlockPowers => Ok(block_powers::kernel(discrete, len, kind)),
            method => self.systems.ssm(pass.rate).kernel_of(discrete, len, method, kind),
        }
    }

    /// How sequences of `len` inputs are convolved.
    pub fn plan(&self, len: i64, pass: &Pass) -> Plan {
        let kind = match pass.dense {
            DenseKind::Bfloat16 if gpu::has_kernels(&self.d) => Kind::BFloat16,
            _ => self.systems.kind(),
        };
        self.plan_in(kind, len, false, pass)
    }

    fn plan_in(&self, kind: Kind, len: i64, carries: bool, pass: &Pass) -> Plan {
        // Chunks know no end of the kernel, and compute it in their own way.
        if self.kernel_length(len, pass.rate) < len || pass.kernel != KernelMethod::default() {
            return Plan::Fft;
        }
        let size = Size {
            len,
            states: self.systems.states(),
            bidirectional: self.bidirectional,
            diagonal: self.systems.are_diagonal(),
            carries,
        };
        plan::plan(self.convolution, size, scan::engine(&self.d, !size.diagonal, size.states, kind))
    }

    fn kernel_length(&self, len: i64, rate: f64) -> i64 {
        match self.l_max {
            None => len,
            Some(l_max) => len.min(round_half_even(l_max as f64 / rate)),
        }
    }

    /// Everything behind the convolution: y (B, C, H, L) to (B, H, L).
    fn mix(&self, y: &Tensor, pass: &Pass) -> Tensor {
        // Dropout on both sides of the nonlinearity, as officially.
        let y = self.dropout.forward(&y.flatten(1, 2), pass.train);
        let y = self.dropout.forward(&activate(self.activation, &y), pass.train);
        let Some(output) = &self.output else { return y };
        if self.final_act == FinalAct::Glu && gpu::has_kernels(&y) {
            let kind = if pass.dense == DenseKind::Bfloat16 { Kind::BFloat16 } else { y.kind() };
            let mixed = linear_glu(&y.to_kind(kind), &output.matrix(), output.bias());
            return mixed.to_kind(y.kind());
        }
        self.finish(&output.forward_in(&y, pass.dense))
    }

    fn finish(&self, y: &Tensor) -> Tensor {
        match self.final_act {
            FinalAct::Glu => y.glu(1),
            FinalAct::None => y.shallow_clone(),
            FinalAct::Pointwise(activation) => activate(activation, y),
        }
    }
}

impl SequenceLayer for S4Block {
    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        check_sequences(x, self.d.size()[1])?;
        let masked = pass.lengths.as_ref().map(|lengths| mask::zero_padding(x, lengths));
        let y = self.convolve(masked.as_ref().unwrap_or(x), pass)?;
        Ok(self.mix(&y, pass))
    }

    fn forward_with_state(
        &self,
        x: &Tensor,
        state: &State,
        pass: &Pass,
    ) -> Result<(Tensor, State)> {
        check_sequences(x, self.d.size()[1])?;
        check_causal(self.bidirectional)?;
        ensure!(pass.lengths.is_none(), "padded sequences cannot carry a state on");
        let [state] = state.as_slice() else {
            anyhow::bail!("an S4 block has one state tensor, got {}", state.len())
        };
        let len = x.size()[2];
        ensure!(
            self.kernel_length(len, pass.rate) == len,
            "l_max cuts the kernel short of {len} inputs, which a state cannot; pass shorter pieces"
        );
        let discrete = self.systems.discrete(pass.rate, len)?;
        let skip = Some(&self.d);
        let (y, next) = match self.plan_in(x.kind(), len, true, pass) {
            Plan::Chunks(chunk) => chunked::convolve(&discrete, x, state, skip, chunk)?,
            Plan::Fft => {
                let x = &x.to_kind(self.systems.kind());
                let k = self.kernel(&discrete, len, pass)?;
                let response = fft::state_response(&discrete, state, len);
                (fft::causal(x, &k, skip)? + response, fft::final_state(&discrete, state, x))
            }
        };
        Ok((self.mix(&y, pass), vec![next]))
    }

    fn takes_bf16(&self) -> bool {
        true
    }

    fn default_state(&self, batch: i64) -> Result<State> {
        check_causal(self.bidirectional)?;
        let shape = [batch, self.d.size()[1], self.systems.states()];
        Ok(vec![Tensor::zeros(shape, (self.systems.kind(), self.d.device()))])
    }

    fn stepper(&self, mode: StepMode, rate: f64) -> Result<Box<dyn Stepper + '_>> {
        check_causal(self.bidirectional)?;
        let discrete = self.systems.ssm(rate).discretise(1)?;
        let recurrence = Recurrence::new(&discrete, mode, self.systems.kind())?;
        Ok(Box::new(S4Stepper { block: self, recurrence }))
    }

    fn state_len(&self) -> usize {
        1
    }

    fn visit<'a>(&'a self, place: Place, see: &mut dyn FnMut(Place, &'a dyn Inspect)) {
        see(place, self);
    }
}

impl Inspect for S4Block {
    fn explain(&self, len: i64, pass: &Pass) -> String {
        self.plan(len, pass).to_string()
    }

    fn spectra(&self) -> Vec<(&'static str, Tensor)> {
        let (dt, re_a) = match &self.systems {
            Systems::Full(p) => (p.dt(), p.a_real()),
            Systems::Minimal(p) => (p.dt(), p.a_real()),
        };
        vec![("dt", dt.detach()), ("re_A", re_a.detach())]
    }

    fn spectral_radius(&self) -> Result<Tensor> {
        let _guard = tch::no_grad_guard();
        self.systems.ssm(1.0).discretise(1)?.a.spectral_radius()
    }

    fn kernel(&self) -> Option<Tensor> {
        let _guard = tch::no_grad_guard();
        let method = KernelMethod::BlockPowers;
        let kernel = self.systems.ssm(1.0).kernel(SHOWN_LENGTH, method, Kind::Float).ok()?;
        let kernel = kernel.select(0, 0);
        Some(kernel.narrow(0, 0, SHOWN_CHANNELS.min(kernel.size()[0])))
    }
}

#[derive(Debug)]
struct S4Stepper<'a> {
    block: &'a S4Block,
    recurrence: Recurrence,
}

impl Stepper for S4Stepper<'_> {
    fn step(&self, x: &Tensor, state: &State) -> (Tensor, State) {
        let block = self.block;
        let (y, next) = self.recurrence.step(x, &state[0]);
        let y = y + x.unsqueeze(1) * &block.d; // (B, C, H)
        let y = activate(block.activation, &y.flatten(1, 2));
        let y = match &block.output {
            None => y,
            Some(output) => block.finish(&output.step(&y)),
        };
        (y, vec![next])
    }
}
