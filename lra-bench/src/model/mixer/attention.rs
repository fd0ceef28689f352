//! Multi-head softmax attention (Vaswani et al. 2017), by libtorch's fused kernels.
//!
//! No dropout on the attention weights: it would need all L x L of them. Shapes as in
//! [`heads`](super::heads), S for the positions that can be seen.

use anyhow::{Result, ensure};
use s4_core::layer::{Pass, SequenceLayer, State, Stepper, mask};
use s4_core::params::Scope;
use s4_core::recurrence::StepMode;
use tch::{Kind, Tensor};

use super::heads::{AttentionConfig, Heads, Projected};
use super::{check_causal, check_input, only};

/// softmax(Q Kᵀ / √D) V in each head, between two linear maps.
///
/// Its state is its cache of keys and values, (B, 2, heads, S, D): it grows with every position.
#[derive(Debug)]
pub struct Attention {
    heads: Heads,
    bidirectional: bool,
}

impl Attention {
    /// Registers `in_proj.*` and `out_proj.*`.
    ///
    /// # Errors
    /// If the number of heads does not divide `width`.
    pub fn new(scope: &mut Scope, width: i64, config: &AttentionConfig) -> Result<Self> {
        let heads = Heads::new(scope, width, config)?;
        Ok(Self { heads, bidirectional: config.bidirectional })
    }

    /// The positions behind `cache`: their outputs, and the cache with them.
    fn go_on(&self, x: &Tensor, cache: &Tensor) -> Result<(Tensor, Tensor)> {
        let Projected { queries, keys, values } = self.heads.split(x);
        let cache = Tensor::f_cat(&[cache, &Tensor::stack(&[keys, values], 1)], 3)?;
        let (keys, values) = (cache.select(1, 0), cache.select(1, 1));
        let (new, all) = (queries.size()[2], keys.size()[2]);
        let y = if new == 1 {
            attend(&queries, &keys, &values, None, false)?
        } else if new == all {
            attend(&queries, &keys, &values, None, true)?
        } else {
            // libtorch's own causal mask begins at the first key.
            let seen = Tensor::ones([new, all], (Kind::Bool, x.device())).tril(all - new);
            attend(&queries, &keys, &values, Some(&seen), false)?
        };
        Ok((self.heads.merge(&y), cache))
    }
}

fn attend(
    queries: &Tensor,
    keys: &Tensor,
    values: &Tensor,
    seen: Option<&Tensor>,
    causal: bool,
) -> Result<Tensor> {
    let (dropout, scale, grouped) = (0.0, None, false);
    Ok(Tensor::f_scaled_dot_product_attention(
        queries, keys, values, seen, dropout, causal, scale, grouped,
    )?)
}

/// The literal form of what [`Attention`] computes in each head: `seen` is true where a query
/// (L) may look at a key (S).
pub fn naive(queries: &Tensor, keys: &Tensor, values: &Tensor, seen: &Tensor) -> Tensor {
    let scale = 1.0 / (queries.size()[3] as f64).sqrt();
    let scores = queries.matmul(&keys.transpose(2, 3)) * scale; // (B, heads, L, S)
    let weights = scores.masked_fill(&seen.logical_not(), f64::NEG_INFINITY).softmax(-1, None);
    weights.matmul(values)
}

impl SequenceLayer for Attention {
    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        check_input(x, self.heads.width())?;
        // Even a weight of zero would let a NaN of the padding through.
        let masked = pass.lengths.as_ref().map(|lengths| mask::zero_padding(x, lengths));
        let Projected { queries, keys, values } = self.heads.split(masked.as_ref().unwrap_or(x));
        // Padding lies behind everything that a causal layer looks at.
        let seen = pass.lengths.as_ref().filter(|_| self.bidirectional).map(|lengths| {
            let positions = Tensor::arange(x.size()[2], (Kind::Int64, x.device()));
            positions.lt_tensor(&lengths.unsqueeze(-1)).unsqueeze(1).unsqueeze(1) // (B, 1, 1, S)
        });
        let y = attend(&queries, &keys, &values, seen.as_ref(), !self.bidirectional)?;
        Ok(self.heads.merge(&y))
    }

    fn forward_with_state(
        &self,
        x: &Tensor,
        state: &State,
        pass: &Pass,
    ) -> Result<(Tensor, State)> {
        check_input(x, self.heads.width())?;
        check_causal(self.bidirectional)?;
        ensure!(pass.lengths.is_none(), "padded sequences cannot carry a state on");
        let (y, cache) = self.go_on(x, only(state)?)?;
        Ok((y, vec![cache]))
    }

    fn default_state(&self, batch: i64) -> Result<State> {
        check_causal(self.bidirectional)?;
        let shape = [batch, 2, self.heads.heads(), 0, self.heads.head_width()];
        Ok(vec![Tensor::zeros(shape, self.heads.options())])
    }

    fn stepper(&self, _: StepMode, _: f64) -> Result<Box<dyn Stepper + '_>> {
        check_causal(self.bidirectional)?;
        Ok(Box::new(AttentionStepper(self)))
    }
}

#[derive(Debug)]
struct AttentionStepper<'a>(&'a Attention);

impl Stepper for AttentionStepper<'_> {
    fn step(&self, x: &Tensor, state: &State) -> (Tensor, State) {
        let (y, cache) =
            self.0.go_on(&x.unsqueeze(-1), &state[0]).expect("the cache is the layer's own");
        (y.squeeze_dim(-1), vec![cache])
    }
}
