//! Probabilities of classes.

use anyhow::{Result, ensure};
use tch::{Kind, Tensor};

/// Probabilities of C classes for each of n sounds, and their logarithms, which are finite.
#[derive(Debug)]
pub struct Probabilities {
    /// (n, C), float64.
    pub p: Tensor,
    /// ln p (n, C), float64.
    pub log: Tensor,
}

impl Probabilities {
    /// Of a classifier's logits (n, C).
    ///
    /// # Errors
    /// If there are none.
    pub fn from_logits(logits: &Tensor) -> Result<Self> {
        check(logits)?;
        let log = logits.to_kind(Kind::Double).log_softmax(1, Kind::Double);
        Ok(Self { p: log.exp(), log })
    }

    /// Probabilities `p` (n, C) as they are. The logarithm of 0 is that of the smallest number.
    ///
    /// # Errors
    /// If there are none.
    pub fn new(p: &Tensor) -> Result<Self> {
        check(p)?;
        let p = p.to_kind(Kind::Double);
        let log = p.clamp_min(f64::MIN_POSITIVE).log();
        Ok(Self { p, log })
    }

    /// Number of sounds.
    pub fn len(&self) -> usize {
        self.p.size()[0] as usize
    }

    /// Whether there are none; there always are some.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Those of the sounds `rows`, in that order.
    #[must_use]
    pub fn select(&self, rows: &Tensor) -> Self {
        Self { p: self.p.index_select(0, rows), log: self.log.index_select(0, rows) }
    }

    /// Each row divided by its sum. Probabilities that were float32 do not add up to 1 in float64.
    pub(super) fn normalised(&self) -> Self {
        let sum = sum(&self.p, 1, true);
        Self { p: &self.p / &sum, log: &self.log - sum.log() }
    }

    /// Mean probability of each class, (C).
    pub(super) fn marginal(&self) -> Tensor {
        self.p.mean_dim([0i64].as_slice(), false, None)
    }

    /// Mean entropy of a sound's classes, nats.
    pub(super) fn mean_entropy(&self) -> f64 {
        -number(&sum(&(&self.p * &self.log), 1, false).mean(None))
    }
}

fn check(x: &Tensor) -> Result<()> {
    ensure!(
        x.dim() == 2 && x.numel() > 0,
        "expected classes of at least one sound, (n, C), got {:?}",
        x.size()
    );
    Ok(())
}

/// Sum along `dim`.
pub(super) fn sum(x: &Tensor, dim: i64, keep: bool) -> Tensor {
    x.sum_dim_intlist([dim].as_slice(), keep, None)
}

/// p ln p, 0 for p = 0.
pub(super) fn plogp(p: &Tensor) -> Tensor {
    p.xlogy(p)
}

pub(super) fn number(x: &Tensor) -> f64 {
    x.double_value(&[])
}
