//! Modified inception score (Gurumurthy et al. 2017): classes are clear, and sounds differ within
//! one, too.

use tch::Tensor;

use super::numpy;
use super::probabilities::{Probabilities, number, sum};

/// Pairs that the official code draws.
pub const PAIRS: usize = 10_000;

/// exp mean KL(p(y | xᵢ) ‖ p(y | xⱼ)) over all pairs. Finite, where logarithms are: that of the
/// largest number at most.
pub fn score(probabilities: &Probabilities) -> f64 {
    let log = probabilities.log.mean_dim([0i64].as_slice(), false, None);
    let cross = -number(&(probabilities.marginal() * log).sum(None));
    (cross - probabilities.mean_entropy()).exp().min(f64::MAX)
}

/// The same over `pairs` drawn pairs, as the official code has it, with numpy's generator.
pub fn official(probabilities: &Probabilities, pairs: usize) -> f64 {
    let drawn = Tensor::from_slice(&numpy::integers(probabilities.len(), 2 * pairs, 0));
    over(probabilities, &drawn.view([-1, 2]))
}

/// The same over these `pairs` (n, 2).
pub(super) fn over(probabilities: &Probabilities, pairs: &Tensor) -> f64 {
    let probabilities = probabilities.normalised();
    let side = |column| probabilities.select(&pairs.select(1, column));
    let (a, b) = (side(0), side(1));
    number(&sum(&(&a.p * (&a.log - b.log)), 1, false).mean(None)).exp().min(f64::MAX)
}
