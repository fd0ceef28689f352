//! Inception score (Salimans et al. 2016): classes are clear in each sound, and all of them occur.

use tch::Tensor;

use super::numpy;
use super::probabilities::{Probabilities, number, plogp, sum};

/// exp mean KL(p(y | x) ‖ p(y)): from 1, where all sounds are alike, to the number of classes.
pub fn score(probabilities: &Probabilities) -> f64 {
    let marginal = -number(&plogp(&probabilities.marginal()).sum(None));
    (marginal - probabilities.mean_entropy()).exp()
}

/// What the official code prints. It takes the divergence along the sounds in place of the classes,
/// of the first half after a shuffle: classes count alike, the second half has no influence, and the
/// score can exceed the number of classes. 1 for fewer than two sounds.
pub fn official(probabilities: &Probabilities) -> f64 {
    let n = probabilities.len();
    let half = n as i64 / 2;
    if half == 0 {
        return 1.0;
    }
    let order = Tensor::from_slice(&numpy::permutation(n, 0)[..half as usize]);
    let p = probabilities.p.index_select(0, &order);
    let q = &p / sum(&p, 0, true);
    number(&(sum(&plogp(&q), 0, false) + (half as f64).ln()).mean(None)).exp()
}
