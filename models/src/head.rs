//! From channels to what is asked for.

use anyhow::{Context, Result, bail, ensure};
use s4_config::{Backbone, Decoder, NetworkConfig, Output, Pooling, Series};
use s4_core::layer::linear::Linear;
use s4_core::layer::mask;
use s4_core::params::{Hyper, Scope};
use tch::{Reduction, Tensor};

use crate::adaptive::AdaptiveSoftmax;
use crate::encoder::Encoder;
use crate::logistics::Logistics;
use crate::past::Known;

/// The last layer.
#[derive(Debug)]
pub enum Head {
    /// A linear map of one vector for each sequence.
    PerSequence(Pooling, Linear),
    /// Compares two sequences' vectors a and b by (a, b, a - b, a ∘ b), as models of natural language
    /// inference do.
    Pair(Pooling, Linear, Linear),
    /// A linear map of every position.
    PerPosition(Linear),
    /// Log-probabilities of tokens in clusters, of every position.
    Adaptive(AdaptiveSoftmax),
    /// Log-probabilities of levels, of every position, around those before.
    Logistics(Logistics),
    /// A linear map of each of the last positions, so many of them.
    LastPositions(i64, Linear),
    /// A linear map of one vector for each sequence to so many steps.
    Steps(i64, Pooling, Linear),
    /// None: the backbone gives what is asked for, at every position.
    Backbone,
}

impl Head {
    /// Registers `output_transform.*`, or `retrieval.classifier.*` for pairs, or `logistics.*`.
    ///
    /// # Errors
    /// If the names are taken.
    pub fn new(
        scope: &mut Scope,
        config: &NetworkConfig,
        output: Output,
        encoder: &Encoder,
    ) -> Result<Self> {
        if config.backbone() == Backbone::SampleRnn {
            return Ok(Head::Backbone);
        }
        let (width, pooling) = (config.width(), config.pooling.unwrap_or_default());
        if let Some(logistics) = &config.logistics {
            let levels = match output {
                Output::PerPosition(levels) if levels > 1 && encoder.tokens() == Some(levels) => {
                    levels
                }
                _ => bail!(
                    "model.logistics is for the next token of as many as go in, at least 2: leave the section out"
                ),
            };
            return Ok(Head::Logistics(Logistics::new(scope, logistics, width, levels)?));
        }
        Ok(match output {
            Output::Classes(outputs) | Output::Values(outputs) => {
                let mut scope = scope.sub("output_transform");
                Head::PerSequence(pooling, Linear::new(&mut scope, width, outputs, Hyper::GLOBAL)?)
            }
            Output::Pair(classes) => {
                let mut scope = scope.sub("retrieval.classifier");
                let (mut first, global) = (scope.sub("0"), Hyper::GLOBAL);
                let hidden = Linear::new(&mut first, 4 * width, width, global)?;
                let output = Linear::new(&mut scope.sub("2"), width, classes, global)?;
                Head::Pair(pooling, hidden, output)
            }
            Output::PerPosition(outputs) => match encoder {
                Encoder::Adaptive(embedding) => {
                    Head::Adaptive(AdaptiveSoftmax::new(scope, embedding)?)
                }
                _ => {
                    let mut scope = scope.sub("output_transform");
                    Head::PerPosition(match encoder.logits(outputs) {
                        None => Linear::new(&mut scope, width, outputs, Hyper::GLOBAL)?,
                        Some(weight) => Linear::from_weight(&mut scope, &weight, Hyper::GLOBAL)?,
                    })
                }
            },
            Output::Series(Series { steps, targets, levels, .. }) => {
                let mut scope = scope.sub("output_transform");
                let forecast = config.forecast.clone().unwrap_or_default();
                // Training begins with the linear map alone.
                let new = if forecast.linear { Linear::zeros } else { Linear::new };
                let outputs = targets * levels;
                match forecast.decoder {
                    Decoder::Positions => {
                        let linear = new(&mut scope, width, outputs, Hyper::GLOBAL)?;
                        Head::LastPositions(steps, linear)
                    }
                    Decoder::Direct => {
                        let linear = new(&mut scope, width, steps * outputs, Hyper::GLOBAL)?;
                        Head::Steps(steps, pooling, linear)
                    }
                }
            }
            Output::Channels => Head::Backbone,
        })
    }

    /// x (B, H, L) to logits or values (B, outputs), x (2B, H, L) to logits of pairs, or x to one vector per
    /// position (B, L, outputs) or step (B, steps, outputs). Sequences are padded where `lengths` (B) are given. What
    /// is known of the next tokens from those before, `predictions` (B, L, ·), goes with x where the head asks for it.
    ///
    /// # Errors
    /// If the device fails.
    pub fn forward(
        &self,
        x: &Tensor,
        lengths: Option<&Tensor>,
        predictions: Option<&Tensor>,
    ) -> Result<Tensor> {
        Ok(match self {
            Head::Logistics(logistics) => {
                logistics.log_probabilities(x, predictions.context(NO_TOKENS)?)?
            }
            Head::PerSequence(pooling, linear) => linear.step(&pool(*pooling, x, lengths)),
            Head::Pair(pooling, hidden, output) => {
                let pooled = pool(*pooling, x, lengths);
                let half = pooled.size()[0] / 2;
                let (a, b) = (pooled.narrow(0, 0, half), pooled.narrow(0, half, half));
                let features = Tensor::cat(&[&a, &b, &(&a - &b), &(&a * &b)], 1);
                output.step(&hidden.step(&features).gelu("none"))
            }
            Head::PerPosition(linear) => linear.step(&x.transpose(1, 2)),
            Head::Adaptive(softmax) => {
                let positions = x.transpose(1, 2).flatten(0, 1);
                softmax.log_probabilities(&positions)?.f_view([x.size()[0], x.size()[2], -1])?
            }
            Head::LastPositions(steps, linear) => {
                let last = x.narrow(2, x.size()[2] - steps, *steps);
                linear.step(&last.transpose(1, 2))
            }
            Head::Steps(steps, pooling, linear) => {
                let y = linear.step(&pool(*pooling, x, lengths));
                y.f_view([y.size()[0], *steps, -1])?
            }
            Head::Backbone => x.transpose(1, 2),
        })
    }

    /// -log p of the tokens `next` (B, L) from x (B, H, L): (B, L).
    ///
    /// # Errors
    /// If it has no scores of tokens at every position.
    pub fn nll(
        &self,
        x: &Tensor,
        predictions: Option<&Tensor>,
        next: &Tensor,
        train: bool,
    ) -> Result<Tensor> {
        ensure!(self.is_per_position(), "the network does not predict the next token");
        if let Head::Logistics(logistics) = self {
            return logistics.nll(x, predictions.context(NO_TOKENS)?, next);
        }
        let next = next.f_flatten(0, 1)?;
        let nll = match self {
            Head::Adaptive(softmax) => {
                softmax.nll(&x.transpose(1, 2).f_flatten(0, 1)?, &next, train)?
            }
            _ => {
                let (scores, each) =
                    (self.forward(x, None, None)?.f_flatten(0, 1)?, Reduction::None);
                scores.f_cross_entropy_loss::<Tensor>(&next, None, each, -100, 0.0)?
            }
        };
        Ok(nll.f_view([x.size()[0], -1])?)
    }

    /// What the last linear map is given: one vector for each sequence (B, H); `None` where the head has
    /// more than one map, or an output for every position.
    pub fn features(&self, x: &Tensor, lengths: Option<&Tensor>) -> Option<Tensor> {
        match self {
            Head::PerSequence(pooling, _) | Head::Steps(_, pooling, _) => {
                Some(pool(*pooling, x, lengths))
            }
            _ => None,
        }
    }

    /// How sequences become vectors; by their mean where they do not.
    pub fn pooling(&self) -> Pooling {
        match self {
            Head::PerSequence(pooling, _)
            | Head::Pair(pooling, ..)
            | Head::Steps(_, pooling, _) => *pooling,
            _ => Pooling::Mean,
        }
    }

    /// Whether every position has an output.
    pub fn is_per_position(&self) -> bool {
        matches!(
            self,
            Head::PerPosition(_) | Head::Adaptive(_) | Head::Logistics(_) | Head::Backbone
        )
    }

    /// What is known of the next token at each position from those before alone, (B, L, ·), where the head asks
    /// for it.
    ///
    /// # Errors
    /// If the device fails.
    pub(crate) fn predictions(&self, tokens: impl Fn() -> Result<Known>) -> Result<Option<Tensor>> {
        match self {
            Head::Logistics(logistics) => logistics.predictions(&tokens()?).map(Some),
            _ => Ok(None),
        }
    }
}

/// What embedded sequences alone do not tell.
const NO_TOKENS: &str = "model.logistics scores what follows tokens, which are to be given";

/// Sequences x (B, H, L) to vectors (B, H), with lengths (B) where sequences are padded.
pub(crate) fn pool(pooling: Pooling, x: &Tensor, lengths: Option<&Tensor>) -> Tensor {
    let len = x.size()[2];
    let sum = || match lengths {
        None => x.sum_dim_intlist([2i64].as_slice(), false, None),
        Some(lengths) => {
            mask::zero_padding(x, lengths).sum_dim_intlist([2i64].as_slice(), false, None)
        }
    };
    match (pooling, lengths) {
        (Pooling::Sum, _) => sum(),
        (Pooling::Mean, None) => x.mean_dim([2i64].as_slice(), false, None),
        (Pooling::Mean, Some(lengths)) => sum() / lengths.unsqueeze(-1),
        (Pooling::First, _) => x.select(2, 0),
        (Pooling::Last, None) => x.select(2, len - 1),
        (Pooling::Last, Some(lengths)) => {
            let index = (lengths - 1).view([-1, 1, 1]).expand([-1, x.size()[1], 1], false);
            x.gather(2, &index, false).squeeze_dim(2)
        }
    }
}
