//! LSTM and GRU as layers.

use anyhow::Result;
use s4_config::RecurrentConfig;
use s4_core::layer::Pass;
use s4_core::layer::linear::Linear;
use s4_core::params::{Hyper, Scope};
use tch::{Kind, Tensor};

use super::baseline::Mix;
use super::rnn::{Cell, Rnn};

/// A recurrent layer of as many units as the model has channels.
///
/// Its state is h and, for the LSTM, c: (B, 2 or 1, H).
#[derive(Debug)]
pub struct Recurrent {
    forward: Rnn,
    /// The recurrence from the end, and the map (2H to H).
    backward: Option<(Rnn, Linear)>,
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
        let sizes = [width, width, 1];
        let forward = Rnn::new(scope, cell, sizes, "")?;
        let backward = if config.bidirectional {
            let direction = Rnn::new(scope, cell, sizes, "_reverse")?;
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
        self.forward.width()
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
        self.forward.default_state(batch)
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
