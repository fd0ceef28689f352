//! AM score (Zhou et al. 2018): classes occur as often as in the data, and are clear in each sound.

use super::probabilities::{Probabilities, number};

/// KL(mean of the data ‖ mean of the generated) + mean entropy of the generated, nats; 0 is best.
pub fn score(data: &Probabilities, generated: &Probabilities) -> f64 {
    let generated = generated.normalised();
    let marginal = |of: &Probabilities| {
        let mean = of.marginal();
        &mean / mean.sum(None)
    };
    let (data, mean) = (marginal(data), marginal(&generated));
    let mean = mean.clamp_min(f64::MIN_POSITIVE);
    number(&(data.xlogy(&data) - data.xlogy(&mean)).sum(None)) + generated.mean_entropy()
}
