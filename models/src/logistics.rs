//! Scores of levels by a mixture of discretised logistic distributions (Salimans et al. 2017, PixelCNN++, equations
//! 1 and 2), around what simple predictors make of the levels before.
//!
//! Levels 0 … V - 1 stand at equal distances 2h in [-1, 1]. Component k has a share π, a scale s and a mean μ:
//!
//! P(v) = (1 - ε) Σ π (σ((v + h - μ) / s) - σ((v - h - μ) / s)) + ε / V, where the first σ is 1 at the last level
//! and the second 0 at the first; μ = Σⱼ aⱼ pⱼ + b of predictions pⱼ, whose weights aⱼ sum to 1. That no level is
//! impossible (ε) is not in the paper: what nobody expected costs 15 nats, rather than hundreds.
//!
//! The network gives log π up to a constant, b, log s and aⱼ at every position. It begins with zeros: the predictions
//! have equal weights, the components equal shares and scales from narrow to wide.
//!
//! Shapes: B batch, L length, H channels, K components, J predictors, V levels.

use anyhow::Result;
use s4_config::LogisticsConfig;
use s4_core::layer::linear::Linear;
use s4_core::params::{Hyper, Scope};
use tch::{Device, Kind, Tensor};

use crate::past::Known;

/// The last layer.
#[derive(Debug)]
pub struct Logistics {
    linear: Linear,
    predictors: Vec<Vec<i64>>,
    /// log s before anything is learned, (K).
    first: Tensor,
    levels: i64,
}

/// The components at each position, (…, K).
struct Mixture {
    log_shares: Tensor,
    means: Tensor,
    /// 1 / s.
    steepness: Tensor,
}

impl Logistics {
    /// Registers `logistics.weight` (K · (3 + J), H) and `logistics.bias`.
    ///
    /// # Errors
    /// If the names are taken.
    pub(crate) fn new(
        scope: &mut Scope,
        config: &LogisticsConfig,
        width: i64,
        levels: i64,
    ) -> Result<Self> {
        let LogisticsConfig { components, predictors } = config.clone();
        let zeros = Tensor::zeros([config.outputs(), width], (Kind::Float, Device::Cpu));
        let (kind, device) = (scope.kind(), scope.device());
        let linear = Linear::from_weight(&mut scope.sub("logistics"), &zeros, Hyper::GLOBAL)?;
        let (low, high) = LogisticsConfig::FIRST_SCALES;
        let first = match components {
            1 => Tensor::full([1], f64::midpoint(low, high), (kind, device)),
            _ => Tensor::linspace(low, high, components, (kind, device)),
        };
        Ok(Self { linear, predictors, first, levels })
    }

    /// What each predictor makes of the tokens before the next one, (B, L, J), in [-1, 1]; levels before the first
    /// are in the middle.
    ///
    /// # Errors
    /// If the device fails.
    pub(crate) fn predictions(&self, tokens: &Known) -> Result<Tensor> {
        let (kind, _) = self.linear.options();
        let level = |lag: i64| -> Result<Tensor> {
            let (seen, missing) = tokens.back(lag.abs() - 1)?;
            let level = self.place(&seen.f_to_kind(kind)?).f_constant_pad_nd([missing, 0])?;
            Ok(if lag < 0 { -level } else { level })
        };
        let predictions = self.predictors.iter().map(|lags| -> Result<Tensor> {
            let levels = lags.iter().map(|&lag| level(lag)).collect::<Result<Vec<_>>>()?;
            Ok(levels.into_iter().sum::<Tensor>().f_clamp(-1.0, 1.0)?)
        });
        Ok(Tensor::f_stack(&predictions.collect::<Result<Vec<_>>>()?, -1)?)
    }

    /// Log-probabilities of all levels from y (B, H, L) and predictions (B, L, J): (B, L, V).
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub(crate) fn log_probabilities(&self, y: &Tensor, predictions: &Tensor) -> Result<Tensor> {
        let mixture = self.mixture(y, predictions)?.at_each(2);
        let levels = Tensor::f_arange(self.levels, self.linear.options())?;
        self.log_probability(&mixture, &levels.view([1, 1, -1]))
    }

    /// -log p of the levels `next` (B, L): (B, L).
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub(crate) fn nll(&self, y: &Tensor, predictions: &Tensor, next: &Tensor) -> Result<Tensor> {
        let mixture = self.mixture(y, predictions)?;
        Ok(-self.log_probability(&mixture, &next.f_to_kind(self.linear.options().0)?)?)
    }

    /// Where levels stand in [-1, 1].
    fn place(&self, levels: &Tensor) -> Tensor {
        levels * (2.0 * self.half()) - 1.0
    }

    /// h, half the distance of levels.
    fn half(&self) -> f64 {
        1.0 / (self.levels - 1) as f64
    }

    fn mixture(&self, y: &Tensor, predictions: &Tensor) -> Result<Mixture> {
        let components = self.first.size()[0];
        let (rows, len, count) = predictions.size3()?;
        let said = self.linear.step(&y.transpose(1, 2));
        let said = said.f_view([rows, len, components, LogisticsConfig::OWN + count])?;
        let own = |number: i64| said.select(-1, number);
        // Weights that sum to 1.
        let weights = said.narrow(-1, LogisticsConfig::OWN, count);
        let weights =
            &weights - weights.mean_dim([-1i64].as_slice(), true, None) + 1.0 / count as f64;
        let predicted =
            (weights * predictions.unsqueeze(2)).sum_dim_intlist([-1i64].as_slice(), false, None);
        Ok(Mixture {
            log_shares: own(0).log_softmax(-1, None),
            means: predicted + own(1) * LogisticsConfig::SHIFT,
            steepness: (-(own(2) + &self.first)
                .f_clamp(LogisticsConfig::SCALES.0, LogisticsConfig::SCALES.1)?)
            .exp(),
        })
    }

    /// Of levels (…): (…).
    fn log_probability(&self, mixture: &Mixture, levels: &Tensor) -> Result<Tensor> {
        let Mixture { log_shares, means, steepness } = mixture;
        let (half, levels) = (self.half(), levels.unsqueeze(-1));
        let from_mean = self.place(&levels) - means;
        let (upper, lower) = ((&from_mean + half) * steepness, (&from_mean - half) * steepness);
        // σ(u) - σ(l) = σ(u) σ(-l) (1 - exp(l - u)): no difference of nearly equal numbers.
        let (below, above) = (upper.log_sigmoid(), (-lower).log_sigmoid());
        let width = (-(steepness * (-2.0 * half)).expm1()).log();
        let inside = &below + &above + width;
        let cell = above.f_where_self(&levels.f_eq(self.levels - 1)?, &inside)?;
        let cell = below.f_where_self(&levels.f_eq(0)?, &cell)?;
        let mixed = (cell + log_shares).f_logsumexp([-1i64].as_slice(), false)?
            + (-LogisticsConfig::FLOOR).ln_1p();
        Ok(mixed.f_logaddexp(&Tensor::full_like(
            &mixed,
            (LogisticsConfig::FLOOR / self.levels as f64).ln(),
        ))?)
    }
}

impl Mixture {
    /// The same with an axis of size 1 at `axis`, to be compared with several levels.
    fn at_each(&self, axis: i64) -> Self {
        let Self { log_shares, means, steepness } = self;
        let [log_shares, means, steepness] =
            [log_shares, means, steepness].map(|x| x.unsqueeze(axis));
        Self { log_shares, means, steepness }
    }
}
