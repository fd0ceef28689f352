//! Multi-head softmax attention (Vaswani et al. 2017), by libtorch's fused kernels.
//!
//! No dropout on the attention weights: it would need all L x L of them. Shapes as in
//! [`heads`](super::heads), S for the positions that can be seen.

use anyhow::Result;
use s4_core::layer::Pass;
use tch::{Kind, Tensor};

use super::baseline::Mix;
use super::heads::{Heads, Projected};

/// softmax(Q Kᵀ / √D) V in each head, between two linear maps.
///
/// Its state is its cache of keys and values, (B, 2, heads, S, D): it grows with every position.
#[derive(Debug)]
pub struct Attention(pub Heads);

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

impl Mix for Attention {
    fn width(&self) -> i64 {
        self.0.width
    }

    fn bidirectional(&self) -> bool {
        self.0.bidirectional
    }

    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let (heads, bidirectional) = (&self.0, self.bidirectional());
        let Projected { queries, keys, values } = heads.split(x, pass.dense);
        // Padding lies behind everything that a causal layer looks at.
        let seen = pass.lengths.as_ref().filter(|_| bidirectional).map(|lengths| {
            let positions = Tensor::arange(x.size()[2], (Kind::Int64, x.device()));
            positions.lt_tensor(&lengths.unsqueeze(-1)).unsqueeze(1).unsqueeze(1) // (B, 1, 1, S)
        });
        let y = attend(&queries, &keys, &values, seen.as_ref(), !bidirectional)?;
        Ok(heads.merge(&y, pass.dense))
    }

    fn default_state(&self, batch: i64) -> Tensor {
        let (heads, width) = (self.0.heads, self.0.head_width());
        Tensor::zeros([batch, 2, heads, 0, width], self.0.options())
    }

    fn forward_with_state(
        &self,
        x: &Tensor,
        cache: &Tensor,
        pass: &Pass,
    ) -> Result<(Tensor, Tensor)> {
        let Projected { queries, keys, values } = self.0.split(x, pass.dense);
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
        Ok((self.0.merge(&y, pass.dense), cache))
    }
}
