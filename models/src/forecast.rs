//! What is done around a network that is asked for a series: windows are normalised, channels kept
//! apart, a linear map added.
//!
//! B windows, L known positions, S steps asked for, C channels, T targets, Q levels.

use anyhow::{Result, ensure};
use s4_config::{Decoder, ForecastConfig, Input, Normalise, Output, Series, Shape};
use s4_core::layer::linear::Linear;
use s4_core::params::{Hyper, Scope};
use tch::Tensor;

/// Added to the variance of a window, which may be constant.
const EPSILON: f64 = 1e-5;

/// What surrounds the network.
#[derive(Debug)]
pub struct Forecast {
    config: ForecastConfig,
    series: Series,
    /// From the L known values of a channel to S.
    linear: Option<Linear>,
}

impl Forecast {
    /// Registers `linear.*`, if the config has it.
    ///
    /// # Errors
    /// If the config is not for such a series.
    pub fn new(scope: &mut Scope, config: &ForecastConfig, series: Series) -> Result<Self> {
        config.validate(&series)?;
        let linear = match series.context {
            Some(context) if config.linear => {
                let mut scope = scope.sub("linear");
                Some(if config.ridge {
                    Linear::frozen(&mut scope, context, series.steps)?
                } else {
                    Linear::zeros(&mut scope, context, series.steps, Hyper::GLOBAL)?
                })
            }
            _ => None,
        };
        Ok(Self { config: config.clone(), series, linear })
    }

    /// What the network inside takes and returns.
    pub fn inside(&self, input: Input) -> Shape {
        match input {
            Input::Values { features } if self.config.independent => Shape {
                input: Input::Values { features: features - self.series.channels + 1 },
                output: Output::Series(Series { channels: 1, targets: 1, ..self.series }),
            },
            input => Shape { input, output: Output::Series(self.series) },
        }
    }

    /// Windows x (B, L + S, features) to forecasts (B, S, T·Q), with what `network` makes of sequences.
    ///
    /// # Errors
    /// If the windows are of another size, or `network` fails.
    pub fn forward(
        &self,
        x: &Tensor,
        network: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let Series { steps, context, channels, targets, levels } = self.series;
        let Some(context) = context else { return network(x) };
        let (batch, positions, features) = x.size3()?;
        ensure!(
            positions == context + steps && features >= channels,
            "expected windows (batch, {context} + {steps}, {channels} or more), got {:?}",
            x.size()
        );
        let known = x.narrow(1, 0, context).narrow(2, 0, channels);
        let over = [1i64];
        let (centre, scale) = match self.config.normalise {
            Normalise::None => (None, None),
            Normalise::Last => (Some(known.narrow(1, context - 1, 1)), None),
            Normalise::Standard => {
                let mean = known.mean_dim(over.as_slice(), true, None);
                let variance = (&known - &mean).square().mean_dim(over.as_slice(), true, None);
                (Some(mean), Some((variance + EPSILON).sqrt()))
            }
        };
        let centred = centre.as_ref().map_or_else(|| known.shallow_clone(), |it| &known - it);
        let known = scale.as_ref().map_or_else(|| centred.shallow_clone(), |it| &centred / it);

        let y = network(&self.input(x, &known))?; // (B, S, T·Q), or (B·C, S, Q) of channels apart
        let mut y = if self.config.independent {
            y.view([batch, channels, steps, levels]).transpose(1, 2) // (B, S, T, Q)
        } else {
            y.view([batch, steps, targets, levels])
        };
        let own = |it: &Tensor| it.narrow(2, channels - targets, targets).unsqueeze(3);
        if let Some(linear) = &self.linear {
            y += own(&linear.step(&known.transpose(1, 2)).transpose(1, 2));
        }
        if let Some(scale) = &scale {
            y *= own(scale);
        }
        if let Some(centre) = &centre {
            y += own(centre);
        }
        Ok(y.reshape([batch, steps, targets * levels]))
    }

    /// The sequences that the network gets: the windows x with their `known` channels (B, L, C) in place
    /// of their own; (B·C, ·, 1 + ·) of channels apart.
    fn input(&self, x: &Tensor, known: &Tensor) -> Tensor {
        let (batch, context, channels) = (x.size()[0], known.size()[1], self.series.channels);
        let beside = x.narrow(2, channels, x.size()[2] - channels);
        let (series, beside) = match self.config.decoder {
            Decoder::Positions => {
                let empty =
                    Tensor::zeros([batch, self.series.steps, channels], (x.kind(), x.device()));
                (Tensor::cat(&[known, &empty], 1), beside)
            }
            Decoder::Direct => (known.shallow_clone(), beside.narrow(1, 0, context)),
        };
        if !self.config.independent {
            return Tensor::cat(&[series, beside], 2);
        }
        let positions = series.size()[1];
        let series = series.transpose(1, 2).reshape([batch * channels, positions, 1]);
        let beside = beside.unsqueeze(1).expand([-1, channels, -1, -1], false);
        let beside = beside.reshape([batch * channels, positions, -1]);
        Tensor::cat(&[series, beside], 2)
    }
}
