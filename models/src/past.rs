//! Tokens of sequences that go in now, and what is known of those before.
//!
//! Shapes: B batch, L length, P tokens that came before.

use anyhow::Result;
use tch::{Kind, Tensor};

/// Tokens x (B, L) after those that are known, (B, P).
#[derive(Debug)]
pub(crate) struct Known {
    /// (B, P + L).
    tokens: Tensor,
    /// P.
    before: i64,
    /// L.
    len: i64,
}

impl Known {
    /// Tokens x (B, L) after `past` (B, P), or the first ones.
    ///
    /// # Errors
    /// If their shapes do not fit.
    pub(crate) fn new(past: Option<&Tensor>, x: &Tensor) -> Result<Self> {
        let (_, len) = x.size2()?;
        Ok(match past {
            Some(past) => {
                Self { tokens: Tensor::f_cat(&[past, x], 1)?, before: past.size2()?.1, len }
            }
            None => Self { tokens: x.shallow_clone(), before: 0, len },
        })
    }

    /// What stands `back` places before each position, (B, L - m), without the first m positions, before which
    /// nothing is known; and m.
    ///
    /// # Errors
    /// If the device fails.
    pub(crate) fn back(&self, back: i64) -> Result<(Tensor, i64)> {
        let missing = (back - self.before).clamp(0, self.len);
        let seen = self.tokens.f_narrow(1, (self.before - back).max(0), self.len - missing)?;
        Ok((seen, missing))
    }

    /// The last tokens, as many as there are, `memory` at most: (B, P) of what comes then.
    pub(crate) fn keep(&self, memory: i64) -> Tensor {
        let all = self.before + self.len;
        let kept = memory.min(all);
        self.tokens.narrow(1, all - kept, kept).to_kind(Kind::Int64).copy()
    }
}
