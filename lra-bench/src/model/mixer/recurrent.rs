//! LSTM and GRU, by libtorch (cuDNN on CUDA).

use anyhow::{Result, ensure};
use s4_core::layer::linear::Linear;
use s4_core::layer::{Pass, SequenceLayer, State, Stepper, mask};
use s4_core::params::{Hyper, Scope};
use s4_core::recurrence::StepMode;
use serde::{Deserialize, Serialize};
use tch::{Cuda, Device, Kind, Tensor};

use super::{check_causal, check_input, only};

/// Settings of recurrent networks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecurrentConfig {
    /// A second recurrence from the end, and a map of both to the model's width.
    pub bidirectional: bool,
}

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

/// A recurrent layer of as many units as the model has channels.
///
/// Its state is h and, for the LSTM, c: (B, 2 or 1, H).
#[derive(Debug)]
pub struct Recurrent {
    forward: Direction,
    /// The recurrence from the end, and the map (2H to H).
    backward: Option<(Direction, Linear)>,
}

impl Recurrent {
    /// Registers `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0` like `torch.nn.LSTM`
    /// and `torch.nn.GRU`; also, if bidirectional, the same with `_reverse` behind, and
    /// `output_linear.*`.
    ///
    /// # Errors
    /// If the names are taken.
    pub fn new(
        scope: &mut Scope,
        width: i64,
        cell: Cell,
        config: &RecurrentConfig,
    ) -> Result<Self> {
        let forward = Direction::new(scope, width, cell, "")?;
        let backward = if config.bidirectional {
            let direction = Direction::new(scope, width, cell, "_reverse")?;
            let output = &mut scope.sub("output_linear");
            Some((direction, Linear::pointwise(output, 2 * width, width, Hyper::NO_DECAY)?))
        } else {
            None
        };
        Ok(Self { forward, backward })
    }

    fn check_causal(&self) -> Result<()> {
        check_causal(self.backward.is_some())
    }
}

impl SequenceLayer for Recurrent {
    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        check_input(x, self.forward.width)?;
        let masked = pass.lengths.as_ref().map(|lengths| mask::zero_padding(x, lengths));
        let x = masked.as_ref().unwrap_or(x).transpose(1, 2); // (B, L, H)
        let start = self.forward.initial(x.size()[0]);
        let (ahead, _) = self.forward.run(&x, &start, pass.train)?;
        let Some((direction, output)) = &self.backward else { return Ok(ahead.transpose(1, 2)) };
        let reversed = reverse(&x, pass.lengths.as_ref());
        let (back, _) = direction.run(&reversed, &start, pass.train)?;
        let back = reverse(&back, pass.lengths.as_ref());
        Ok(output.forward(&Tensor::cat(&[ahead, back], 2).transpose(1, 2)))
    }

    fn forward_with_state(
        &self,
        x: &Tensor,
        state: &State,
        pass: &Pass,
    ) -> Result<(Tensor, State)> {
        check_input(x, self.forward.width)?;
        self.check_causal()?;
        ensure!(pass.lengths.is_none(), "padded sequences cannot carry a state on");
        let (y, next) = self.forward.run(&x.transpose(1, 2), only(state)?, pass.train)?;
        Ok((y.transpose(1, 2), vec![next]))
    }

    fn default_state(&self, batch: i64) -> Result<State> {
        self.check_causal()?;
        Ok(vec![self.forward.initial(batch)])
    }

    fn stepper(&self, _: StepMode, _: f64) -> Result<Box<dyn Stepper + '_>> {
        self.check_causal()?;
        Ok(Box::new(RecurrentStepper(&self.forward)))
    }
}

/// x (B, L, H) from the end, within the valid positions of each sequence; what lies behind them
/// stays where it is. Its own inverse.
fn reverse(x: &Tensor, lengths: Option<&Tensor>) -> Tensor {
    let Some(lengths) = lengths else { return x.flip([1]) };
    let positions = Tensor::arange(x.size()[1], (Kind::Int64, x.device()));
    let mirrored = lengths.unsqueeze(-1) - 1 - &positions; // (B, L)
    let source = mirrored.where_self(&mirrored.ge(0), &positions);
    x.gather(1, &source.unsqueeze(-1).expand_as(x), false)
}

/// One recurrence.
#[derive(Debug)]
struct Direction {
    cell: Cell,
    width: i64,
    /// Input weights (gates·H, H), recurrent weights (gates·H, H), and a bias (gates·H) for each.
    parameters: [Tensor; 4],
}

impl Direction {
    fn new(scope: &mut Scope, width: i64, cell: Cell, suffix: &str) -> Result<Self> {
        let bound = 1.0 / (width as f64).sqrt();
        let rows = cell.gates() * width;
        let mut register = |name: &str, shape: &[i64], hyper| {
            let value = Tensor::rand(shape, (Kind::Float, Device::Cpu)) * (2.0 * bound) - bound;
            scope.parameter(&format!("{name}_l0{suffix}"), &value, hyper)
        };
        let parameters = [
            register("weight_ih", &[rows, width], Hyper::GLOBAL)?,
            register("weight_hh", &[rows, width], Hyper::GLOBAL)?,
            register("bias_ih", &[rows], Hyper::NO_DECAY)?,
            register("bias_hh", &[rows], Hyper::NO_DECAY)?,
        ];
        if scope.device().is_cuda() && Cuda::cudnn_is_available() {
            // cuDNN wants them in one piece of memory, and else copies them at every call.
            let _guard = tch::no_grad_guard();
            let _ = Tensor::f_internal_cudnn_rnn_flatten_weight(
                &parameters,
                parameters.len() as i64,
                width,
                cell.cudnn_mode(),
                width,
                0,
                1,
                true,
                false,
            )?;
        }
        Ok(Self { cell, width, parameters })
    }

    fn initial(&self, batch: i64) -> Tensor {
        let bias = &self.parameters[2];
        Tensor::zeros([batch, self.cell.vectors(), self.width], (bias.kind(), bias.device()))
    }

    /// x (B, L, H) from `state`, to outputs (B, L, H) and the next state.
    fn run(&self, x: &Tensor, state: &Tensor, train: bool) -> Result<(Tensor, Tensor)> {
        let (biases, layers, dropout, bidirectional, batch_first) = (true, 1, 0.0, false, true);
        let vector = |i| state.select(1, i).unsqueeze(0).contiguous(); // (1, B, H)
        let parameters = &self.parameters;
        Ok(match self.cell {
            Cell::Lstm => {
                let (y, h, c) = x.f_lstm(
                    &[vector(0), vector(1)],
                    parameters,
                    biases,
                    layers,
                    dropout,
                    train,
                    bidirectional,
                    batch_first,
                )?;
                (y, Tensor::cat(&[h, c], 0).transpose(0, 1))
            }
            Cell::Gru => {
                let (y, h) = x.f_gru(
                    &vector(0),
                    parameters,
                    biases,
                    layers,
                    dropout,
                    train,
                    bidirectional,
                    batch_first,
                )?;
                (y, h.transpose(0, 1))
            }
        })
    }
}

#[derive(Debug)]
struct RecurrentStepper<'a>(&'a Direction);

impl Stepper for RecurrentStepper<'_> {
    fn step(&self, x: &Tensor, state: &State) -> (Tensor, State) {
        let [w_ih, w_hh, b_ih, b_hh] = &self.0.parameters;
        let (b_ih, b_hh) = (Some(b_ih), Some(b_hh));
        let vector = |i| state[0].select(1, i);
        match self.0.cell {
            Cell::Lstm => {
                let (h, c) = (vector(0), vector(1));
                let (h, c) = x.lstm_cell(&[&h, &c], w_ih, w_hh, b_ih, b_hh);
                let next = Tensor::stack(&[&h, &c], 1);
                (h, vec![next])
            }
            Cell::Gru => {
                let h = x.gru_cell(&vector(0), w_ih, w_hh, b_ih, b_hh);
                let next = h.unsqueeze(1);
                (h, vec![next])
            }
        }
    }
}
