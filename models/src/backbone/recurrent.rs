//! LSTM and GRU, by libtorch (cuDNN on CUDA).

use anyhow::Result;
use s4_config::RecurrentConfig;
use s4_core::layer::Pass;
use s4_core::layer::linear::Linear;
use s4_core::params::{Hyper, Scope};
use tch::{Cuda, Device, Kind, Tensor};

use super::baseline::Mix;

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
}

impl Mix for Recurrent {
    fn width(&self) -> i64 {
        self.forward.width
    }

    fn bidirectional(&self) -> bool {
        self.backward.is_some()
    }

    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let start = self.default_state(x.size()[0]);
        let x = x.transpose(1, 2); // (B, L, H)
        let (ahead, _) = self.forward.run(&x, &start, pass.train)?;
        let Some((direction, output)) = &self.backward else { return Ok(ahead.transpose(1, 2)) };
        let reversed = reverse(&x, pass.lengths.as_ref());
        let (back, _) = direction.run(&reversed, &start, pass.train)?;
        let back = reverse(&back, pass.lengths.as_ref());
        Ok(output.forward_in(&Tensor::cat(&[ahead, back], 2).transpose(1, 2), pass.dense))
    }

    fn default_state(&self, batch: i64) -> Tensor {
        let Direction { cell, width, parameters } = &self.forward;
        let options = (parameters[0].kind(), parameters[0].device());
        Tensor::zeros([batch, cell.vectors(), *width], options)
    }

    fn forward_with_state(
        &self,
        x: &Tensor,
        state: &Tensor,
        pass: &Pass,
    ) -> Result<(Tensor, Tensor)> {
        let (y, next) = self.forward.run(&x.transpose(1, 2), state, pass.train)?;
        Ok((y.transpose(1, 2), next))
    }

    fn step(&self, x: &Tensor, state: &Tensor) -> (Tensor, Tensor) {
        self.forward.step(x, state)
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

    /// x (B, L, H) from `state`, to outputs (B, L, H) and the next state.
    fn run(&self, x: &Tensor, state: &Tensor, train: bool) -> Result<(Tensor, Tensor)> {
        let weights = &self.parameters;
        let vector = |i| state.select(1, i).unsqueeze(0).contiguous(); // (1, B, H)
        // With biases; one layer, no dropout; one direction, batch first.
        let (y, state) = match self.cell {
            Cell::Lstm => {
                let state = [vector(0), vector(1)];
                let (y, h, c) = x.f_lstm(&state, weights, true, 1, 0.0, train, false, true)?;
                (y, Tensor::cat(&[h, c], 0))
            }
            Cell::Gru => x.f_gru(&vector(0), weights, true, 1, 0.0, train, false, true)?,
        };
        Ok((y, state.transpose(0, 1)))
    }

    /// x (B, H) from `state`, to the output (B, H) and the next state.
    fn step(&self, x: &Tensor, state: &Tensor) -> (Tensor, Tensor) {
        let [w_ih, w_hh, b_ih, b_hh] = &self.parameters;
        let (b_ih, b_hh) = (Some(b_ih), Some(b_hh));
        let vector = |i| state.select(1, i);
        match self.cell {
            Cell::Lstm => {
                let (h, c) = (vector(0), vector(1));
                let (h, c) = x.lstm_cell(&[&h, &c], w_ih, w_hh, b_ih, b_hh);
                let next = Tensor::stack(&[&h, &c], 1);
                (h, next)
            }
            Cell::Gru => {
                let h = x.gru_cell(&vector(0), w_ih, w_hh, b_ih, b_hh);
                let next = h.unsqueeze(1);
                (h, next)
            }
        }
    }
}
