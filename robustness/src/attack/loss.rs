//! What attacks raise.

use tch::{Kind, Tensor};

/// A loss of each example, which an attack raises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Cross-entropy.
    CrossEntropy,
    /// Difference of logits ratio (Croce and Hein 2020): the margin over the distance of the first from the
    /// third logit, which does not change with the scale of the logits. Needs three classes.
    Dlr,
    /// The largest other logit minus the label's: above 0 where the model is wrong.
    Margin,
}

impl Loss {
    /// The loss (B) of logits (B, classes) for labels (B), in float64: a gradient of cross-entropy that is
    /// rounded to 0 in float32 would end an attack.
    pub fn of(self, logits: &Tensor, labels: &Tensor) -> Tensor {
        let logits = logits.to_kind(Kind::Double);
        let place = labels.unsqueeze(1);
        let label = logits.gather(1, &place, false).squeeze_dim(1);
        let other = || logits.scatter_value(1, &place, f64::NEG_INFINITY).amax([1i64], false);
        match self {
            Self::CrossEntropy => {
                // Log of the sum over the others, so that a sure model leaves more than 1 - 1.
                let others = logits.scatter_value(1, &place, f64::NEG_INFINITY);
                (others.logsumexp([1i64], false) - label).softplus()
            }
            Self::Margin => other() - label,
            Self::Dlr => {
                let (sorted, _) = logits.sort(1, true);
                let spread = sorted.select(1, 0) - sorted.select(1, 2);
                (other() - label) / (spread + 1e-12)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_those_of_their_definitions() {
        let logits = Tensor::from_slice(&[2.0, 1.0, -1.0, 0.5, 0.0, 3.0]).view([2, 3]);
        let labels = Tensor::from_slice(&[0i64, 1]);
        let of = |loss: Loss| Vec::<f64>::try_from(loss.of(&logits, &labels)).unwrap();
        let near = |a: Vec<f64>, b: [f64; 2]| {
            assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9), "{a:?}");
        };
        near(of(Loss::Margin), [-1.0, 3.0]);
        near(of(Loss::Dlr), [-1.0 / 3.0, 3.0 / 3.0]);
        let plain = logits.log_softmax(1, Kind::Double);
        near(
            of(Loss::CrossEntropy),
            [(0, 0), (1, 1)].map(|(row, column)| -plain.double_value(&[row, column])),
        );
    }

    #[test]
    fn a_sure_model_has_a_gradient_still() {
        let logits = Tensor::from_slice(&[80f32, 0.0]).view([1, 2]).set_requires_grad(true);
        let loss = Loss::CrossEntropy.of(&logits, &Tensor::from_slice(&[0i64]));
        let gradient = Tensor::run_backward(&[loss.sum(Kind::Double)], &[&logits], false, false);
        assert!(gradient[0].double_value(&[0, 1]) > 0.0);
    }
}
