//! Linear attention: "Transformers are RNNs" (Katharopoulos et al. 2020).
//!
//! With φ(x) = elu(x) + 1 in place of the exponential, yᵢ = φ(qᵢ)ᵀ Σ φ(kⱼ) vⱼᵀ / φ(qᵢ)ᵀ Σ φ(kⱼ):
//! the sums are a state of fixed size. Shapes as in [`heads`](super::heads). A value carries a 1
//! behind its D entries, so that numerator and denominator are one product.

use anyhow::Result;
use s4_core::layer::linear::DenseKind;
use s4_core::layer::{Pass, mask};
use tch::Tensor;

use super::baseline::Mix;
use super::heads::{Heads, Projected};

/// Positions that are mixed by one product in a causal layer.
const CHUNK: i64 = 64;
/// Added to the denominator, as in the authors' code.
const EPS: f64 = 1e-6;

/// Linear attention in each head, between two linear maps.
///
/// Its state is Σ φ(kⱼ) (vⱼ, 1)ᵀ, (B, heads, D, D + 1).
#[derive(Debug)]
pub struct LinearAttention(pub Heads);

/// φ.
fn features(x: &Tensor) -> Tensor {
    x.elu() + 1.0
}

/// (v, 1).
fn with_one(values: &Tensor) -> Tensor {
    let one = values.narrow(3, 0, 1).ones_like();
    Tensor::cat(&[values, &one], 3)
}

/// Numerators and denominator (B, heads, L, D + 1) to quotients (B, heads, L, D).
fn normalise(y: &Tensor) -> Tensor {
    let width = y.size()[3] - 1;
    y.narrow(3, 0, width) / (y.narrow(3, width, 1) + EPS)
}

/// Sums over the past, chunk by chunk: within a chunk by a masked L x L product, from the chunks
/// before through their sum. Queries and keys are features. Gives outputs and the final state.
fn causal(queries: &Tensor, keys: &Tensor, values: &Tensor, state: &Tensor) -> (Tensor, Tensor) {
    let length = queries.size()[2];
    let chunk = CHUNK.min(length);
    let padding = (-length).rem_euclid(chunk);
    let chunks = |x: &Tensor| x.constant_pad_nd([0, 0, 0, padding]).unflatten(2, [-1, chunk]);
    let (queries, keys, values) = (chunks(queries), chunks(keys), chunks(values));
    let own = keys.transpose(3, 4).matmul(&values); // (B, heads, chunks, D, D + 1)
    let first = state.unsqueeze(2);
    let after = own.cumsum(2, None) + &first;
    let count = after.size()[2];
    let before = Tensor::cat(&[&first, &after.narrow(2, 0, count - 1)], 2);
    let within = queries.matmul(&keys.transpose(3, 4)).tril(0);
    let y = queries.matmul(&before) + within.matmul(&values);
    (y.flatten(2, 3).narrow(2, 0, length), after.select(2, count - 1))
}

/// The literal form of what [`LinearAttention`] computes in each head, with all L x S weights:
/// `seen` is true where a query (L) may look at a key (S).
pub fn naive(queries: &Tensor, keys: &Tensor, values: &Tensor, seen: &Tensor) -> Tensor {
    let weights = features(queries).matmul(&features(keys).transpose(2, 3)) * seen;
    weights.matmul(values) / (weights.sum_dim_intlist([3i64].as_slice(), true, None) + EPS)
}

impl Mix for LinearAttention {
    fn width(&self) -> i64 {
        self.0.width
    }

    fn bidirectional(&self) -> bool {
        self.0.bidirectional
    }

    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        if !self.bidirectional() {
            return Ok(self.forward_with_state(x, &self.default_state(x.size()[0]), pass)?.0);
        }
        let Projected { queries, keys, values } = self.0.split(x, pass.dense);
        let keys = features(&keys).transpose(2, 3); // (B, heads, D, L)
        let keys = match &pass.lengths {
            None => keys,
            Some(lengths) => mask::zero_padding(&keys, &lengths.unsqueeze(-1)),
        };
        let sums = keys.matmul(&with_one(&values));
        Ok(self.0.merge(&normalise(&features(&queries).matmul(&sums)), pass.dense))
    }

    fn default_state(&self, batch: i64) -> Tensor {
        let (heads, width) = (self.0.heads, self.0.head_width());
        Tensor::zeros([batch, heads, width, width + 1], self.0.options())
    }

    fn forward_with_state(
        &self,
        x: &Tensor,
        state: &Tensor,
        pass: &Pass,
    ) -> Result<(Tensor, Tensor)> {
        let Projected { queries, keys, values } = self.0.split(x, pass.dense);
        let (y, next) = causal(&features(&queries), &features(&keys), &with_one(&values), state);
        Ok((self.0.merge(&normalise(&y), pass.dense), next))
    }

    fn step(&self, x: &Tensor, state: &Tensor) -> (Tensor, Tensor) {
        let dense = DenseKind::Full;
        let Projected { queries, keys, values } = self.0.split(&x.unsqueeze(-1), dense);
        let next = state + features(&keys).transpose(2, 3).matmul(&with_one(&values));
        let y = normalise(&features(&queries).matmul(&next));
        (self.0.merge(&y, dense).squeeze_dim(-1), next)
    }
}
