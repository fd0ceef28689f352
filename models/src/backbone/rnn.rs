//! Recurrences of libtorch (cuDNN on CUDA), as `torch.nn.LSTM` and `torch.nn.GRU`.

use anyhow::Result;
use s4_core::layer::weight::uniform;
use s4_core::params::{Hyper, Scope};
use tch::{Cuda, Device, Kind, Tensor};

/// The recurrence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// With a memory c beside the output h.
    Lstm,
    /// With h alone.
    Gru,
}

impl Cell {
    /// Gates, and the candidate.
    fn gates(self) -> i64 {
        match self {
            Cell::Lstm => 4,
            Cell::Gru => 3,
        }
    }

    /// Vectors of its state.
    fn vectors(self) -> i64 {
        match self {
            Cell::Lstm => 2,
            Cell::Gru => 1,
        }
    }

    /// cuDNN's number for it.
    fn cudnn_mode(self) -> i64 {
        match self {
            Cell::Lstm => 2,
            Cell::Gru => 3,
        }
    }
}

/// Layers of one recurrence, each on the outputs of the one before.
///
/// Its state is h of all layers and, for the LSTM, c of all: (B, layers or 2·layers, H).
#[derive(Debug)]
pub struct Rnn {
    cell: Cell,
    /// Input channels.
    inputs: i64,
    /// Units H of every layer.
    width: i64,
    layers: i64,
    /// Of each layer input weights (gates·H, in), recurrent weights (gates·H, H), and a bias
    /// (gates·H) for each.
    parameters: Vec<Tensor>,
}

/// What a parameter of an [`Rnn`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// (gates·H, in).
    InputWeight,
    /// (gates·H, H).
    RecurrentWeight,
    /// (gates·H).
    Bias,
}

impl Rnn {
    /// Registers `weight_ih_l{layer}`, `weight_hh_l{layer}`, `bias_ih_l{layer}`,
    /// `bias_hh_l{layer}`, each with `suffix` behind and uniform in ±1/√H like those of PyTorch.
    ///
    /// # Errors
    /// If the names are taken.
    pub fn new(
        scope: &mut Scope,
        cell: Cell,
        [inputs, width, layers]: [i64; 3],
        suffix: &str,
    ) -> Result<Self> {
        let bound = 1.0 / (width as f64).sqrt();
        let draw = |_, shape: &[i64]| uniform(shape, bound);
        Self::drawn(scope, cell, [inputs, width, layers], suffix, draw)
    }

    /// As [`Self::new`], with the values that `draw` gives.
    ///
    /// # Errors
    /// If the names are taken.
    pub fn drawn(
        scope: &mut Scope,
        cell: Cell,
        [inputs, width, layers]: [i64; 3],
        suffix: &str,
        draw: impl Fn(Part, &[i64]) -> Tensor,
    ) -> Result<Self> {
        let rows = cell.gates() * width;
        let mut parameters = Vec::new();
        for layer in 0..layers {
            let inputs = if layer == 0 { inputs } else { width };
            for (name, part, shape, hyper) in [
                ("weight_ih", Part::InputWeight, &[rows, inputs][..], Hyper::GLOBAL),
                ("weight_hh", Part::RecurrentWeight, &[rows, width], Hyper::GLOBAL),
                ("bias_ih", Part::Bias, &[rows], Hyper::NO_DECAY),
                ("bias_hh", Part::Bias, &[rows], Hyper::NO_DECAY),
            ] {
                let name = format!("{name}_l{layer}{suffix}");
                parameters.push(scope.parameter(&name, &draw(part, shape), hyper)?);
            }
        }
        if scope.device().is_cuda() && Cuda::cudnn_is_available() {
            // cuDNN wants them in one piece of memory, and else copies them at every call.
            let _guard = tch::no_grad_guard();
            let _ = Tensor::f_internal_cudnn_rnn_flatten_weight(
                &parameters,
                4,
                inputs,
                cell.cudnn_mode(),
                width,
                0,
                layers,
                true,
                false,
            )?;
        }
        Ok(Self { cell, inputs, width, layers, parameters })
    }

    /// Input channels.
    pub fn inputs(&self) -> i64 {
        self.inputs
    }

    /// Units H.
    pub fn width(&self) -> i64 {
        self.width
    }

    /// Vectors of a state.
    pub fn vectors(&self) -> i64 {
        self.cell.vectors() * self.layers
    }

    /// Kind and device of the parameters.
    pub fn options(&self) -> (Kind, Device) {
        (self.parameters[0].kind(), self.parameters[0].device())
    }

    /// A state of zeros for `batch` sequences.
    pub fn default_state(&self, batch: i64) -> Tensor {
        Tensor::zeros([batch, self.vectors(), self.width], self.options())
    }

    /// x (B, L, in) from `state`, to outputs (B, L, H) and the next state.
    ///
    /// # Errors
    /// If the state is not its own.
    pub fn run(&self, x: &Tensor, state: &Tensor, train: bool) -> Result<(Tensor, Tensor)> {
        let (weights, layers) = (&self.parameters, self.layers);
        let part = |i: i64| -> Result<Tensor> {
            Ok(state.f_narrow(1, i * layers, layers)?.transpose(0, 1).contiguous()) // (layers, B, H)
        };
        // With biases; no dropout; one direction, batch first.
        let (y, state) = match self.cell {
            Cell::Lstm => {
                let state = [part(0)?, part(1)?];
                let (y, h, c) = x.f_lstm(&state, weights, true, layers, 0.0, train, false, true)?;
                (y, Tensor::cat(&[h, c], 0))
            }
            Cell::Gru => x.f_gru(&part(0)?, weights, true, layers, 0.0, train, false, true)?,
        };
        Ok((y, state.transpose(0, 1)))
    }

    /// x (B, in) from `state`, to the output (B, H) and the next state.
    pub fn step(&self, x: &Tensor, state: &Tensor) -> (Tensor, Tensor) {
        let (mut y, mut h, mut c) = (x.shallow_clone(), Vec::new(), Vec::new());
        for (layer, weights) in self.parameters.chunks_exact(4).enumerate() {
            let [w_ih, w_hh, b_ih, b_hh] = weights else { unreachable!("chunks of four") };
            let (b_ih, b_hh) = (Some(b_ih), Some(b_hh));
            let before = state.select(1, layer as i64);
            y = match self.cell {
                Cell::Lstm => {
                    let memory = state.select(1, self.layers + layer as i64);
                    let (y, next) = y.lstm_cell(&[&before, &memory], w_ih, w_hh, b_ih, b_hh);
                    c.push(next);
                    y
                }
                Cell::Gru => y.gru_cell(&before, w_ih, w_hh, b_ih, b_hh),
            };
            h.push(y.shallow_clone());
        }
        h.append(&mut c);
        (y, Tensor::stack(&h, 1))
    }
}
