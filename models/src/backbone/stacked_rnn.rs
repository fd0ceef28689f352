//! Recurrences on top of each other, all of which see the input (Mehri et al. 2017).

use anyhow::Result;
use s4_config::{RnnType, StackedRnnConfig};
use s4_core::layer::Pass;
use s4_core::layer::linear::Linear;
use s4_core::params::{Hyper, Scope};
use tch::{Device, Kind, Tensor};

use super::baseline::Mix;
use super::rnn::{Cell, Rnn};

/// Recurrences, each on the outputs of the one before.
///
/// Its state is that of all of them in order, (B, layers, H), for an LSTM (B, 2·layers, H).
#[derive(Debug)]
pub struct StackedRnn {
    rnns: Vec<Rnn>,
    /// State vectors of each layer before the first position, (·, 1, H), where they are learned.
    starts: Option<Vec<Tensor>>,
    /// Maps of each layer's outputs, whose sum is the output; without them it is the last layer's,
    /// and layers do not see the input.
    skips: Option<Vec<Linear>>,
    output: Option<Linear>,
}

impl StackedRnn {
    /// Registers `rnn_layers.{i}.*`, and `lin_layers.{i}.*` and `output_layer.*` where the config has
    /// them, for inputs of `width` channels.
    ///
    /// # Errors
    /// If the names are taken.
    pub fn new(
        scope: &mut Scope,
        width: i64,
        layers: i64,
        config: &StackedRnnConfig,
    ) -> Result<Self> {
        let hidden = config.d_hidden.unwrap_or(width);
        let cell = match config.rnn_type {
            RnnType::Lstm => Cell::Lstm,
            RnnType::Gru => Cell::Gru,
        };
        let (mut rnns, mut starts, mut skips) = (Vec::new(), Vec::new(), Vec::new());
        for i in 0..layers {
            let inputs = match (i, config.skip_connections) {
                (0, _) => width,
                (_, true) => hidden + width,
                (_, false) => hidden,
            };
            let mut place = scope.sub(format_args!("rnn_layers.{i}"));
            rnns.push(Rnn::new(&mut place, cell, [inputs, hidden, 1], "")?);
            if config.learn_h0 {
                let zeros = Tensor::zeros([1, 1, hidden], (Kind::Float, Device::Cpu));
                let names = if cell == Cell::Lstm { &["h0", "c0"][..] } else { &["h0"] };
                for name in names {
                    starts.push(place.parameter(name, &zeros, Hyper::NO_DECAY)?);
                }
            }
            if config.skip_connections {
                let mut place = scope.sub(format_args!("lin_layers.{i}"));
                let map = if config.weight_norm { Linear::weight_normed } else { Linear::new };
                skips.push(map(&mut place, hidden, hidden, Hyper::NO_DECAY)?);
            }
        }
        let mut output = |name| Linear::new(&mut scope.sub(name), hidden, width, Hyper::NO_DECAY);
        Ok(Self {
            rnns,
            starts: config.learn_h0.then_some(starts),
            skips: config.skip_connections.then_some(skips),
            output: config.output_linear.then(|| output("output_layer")).transpose()?,
        })
    }

    /// Vectors of the state of a layer.
    fn vectors(&self) -> i64 {
        self.rnns[0].vectors()
    }
}

impl Mix for StackedRnn {
    fn width(&self) -> i64 {
        self.rnns[0].inputs()
    }

    fn bidirectional(&self) -> bool {
        false
    }

    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        Ok(self.forward_with_state(x, &self.default_state(x.size()[0]), pass)?.0)
    }

    fn default_state(&self, batch: i64) -> Tensor {
        match &self.starts {
            None => {
                let states: Vec<_> = self.rnns.iter().map(|rnn| rnn.default_state(batch)).collect();
                Tensor::cat(&states, 1)
            }
            Some(starts) => Tensor::cat(starts, 1).expand([batch, -1, -1], false).contiguous(),
        }
    }

    fn forward_with_state(
        &self,
        x: &Tensor,
        state: &Tensor,
        pass: &Pass,
    ) -> Result<(Tensor, Tensor)> {
        let input = x.transpose(1, 2); // (B, L, C)
        let vectors = self.vectors();
        let (mut y, mut sum, mut next): (Tensor, Option<Tensor>, _) =
            (input.shallow_clone(), None, Vec::new());
        for (i, rnn) in self.rnns.iter().enumerate() {
            if i > 0 && self.skips.is_some() {
                y = Tensor::f_cat(&[&y, &input], 2)?;
            }
            let own = state.f_narrow(1, i as i64 * vectors, vectors)?;
            let after;
            (y, after) = rnn.run(&y, &own, pass.train)?;
            next.push(after);
            if let Some(skips) = &self.skips {
                let skip = skips[i].step_in(&y, pass.dense);
                sum = Some(match sum {
                    None => skip,
                    Some(sum) => sum + skip,
                });
            }
        }
        let y = sum.unwrap_or(y);
        let y = match &self.output {
            None => y,
            Some(output) => output.step_in(&y, pass.dense),
        };
        Ok((y.transpose(1, 2), Tensor::f_cat(&next, 1)?))
    }
}
