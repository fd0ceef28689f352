//! Tokens further back than the last one, each place with vectors of its own.
//!
//! Shapes: B batch, L length, H channels.

use anyhow::Result;
use s4_core::params::{Hyper, Scope};
use tch::Tensor;

use crate::past::Known;

/// Vectors of the tokens at some places before the next one.
#[derive(Debug)]
pub(crate) struct Lags(Vec<Lag>);

#[derive(Debug)]
struct Lag {
    /// Places before the position at which it is seen: one fewer than before the next token.
    back: i64,
    /// (vocabulary, H).
    weight: Tensor,
}

impl Lags {
    /// Registers `{lag}.weight` for each of `lags`, at least 2. What `draw` says, of variance 1, is scaled so that
    /// their sum has that variance.
    ///
    /// # Errors
    /// If the names are taken.
    pub(crate) fn new(scope: &mut Scope, lags: &[i64], draw: impl Fn() -> Tensor) -> Result<Self> {
        let size = (lags.len() as f64).sqrt();
        let mut new = |&lag: &i64| -> Result<Lag> {
            let weight = scope.sub(lag).parameter("weight", &(draw() / size), Hyper::GLOBAL)?;
            Ok(Lag { back: lag - 1, weight })
        };
        Ok(Self(lags.iter().map(&mut new).collect::<Result<_>>()?))
    }

    /// `embedded` (B, H, L), what the tokens have become, with what stands further back at each position; before
    /// the first token stands nothing.
    ///
    /// # Errors
    /// If the device fails.
    pub(crate) fn add(&self, mut embedded: Tensor, tokens: &Known) -> Result<Tensor> {
        for Lag { back, weight } in &self.0 {
            let (seen, missing) = tokens.back(*back)?;
            let vectors = Tensor::f_embedding(weight, &seen, -1, false, false)?.transpose(1, 2);
            embedded += vectors.f_constant_pad_nd([missing, 0])?;
        }
        Ok(embedded)
    }
}
