//! Linear probes: multinomial logistic regression on features that stay as they are.
//!
//! Features are standardised by those that are learned from; the penalty of the weights is that with the
//! lowest cross-entropy on the validation split, from strong to weak.

use anyhow::{Result, ensure};
use tch::{Device, Kind, Reduction, Tensor};

use super::Features;

/// Penalties of half the squared weights, from strong to weak.
const PENALTIES: [f64; 7] = [1.0, 0.1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6];
/// Steps of gradient descent for each.
const STEPS: i32 = 200;
const RATE: f64 = 0.05;

/// A linear map of features to scores of classes.
#[derive(Debug)]
pub struct Probe {
    /// (C, F).
    pub weight: Tensor,
    /// (C).
    pub bias: Tensor,
}

impl Probe {
    /// Mean cross-entropy, in nats.
    fn loss(&self, of: &Features) -> f64 {
        let scores = of.x.linear(&self.weight, Some(&self.bias));
        scores.cross_entropy_for_logits(&of.classes).double_value(&[])
    }

    /// The share of examples whose class has the highest score.
    pub fn accuracy(&self, of: &Features) -> f64 {
        let said = of.x.linear(&self.weight, Some(&self.bias)).argmax(1, false);
        said.eq_tensor(&of.classes).mean(Kind::Double).double_value(&[])
    }
}

/// Learns from `train` and chooses by `val`.
///
/// # Errors
/// If a split is empty.
pub fn probe(train: &Features, val: &Features, classes: i64) -> Result<Probe> {
    for split in [train, val] {
        ensure!(split.x.size()[0] > 0, "a linear probe needs examples in every split");
    }
    let mean = train.x.mean_dim([0i64].as_slice(), true, None);
    let std = train.x.std_dim([0i64].as_slice(), false, true).clamp_min(1e-6);
    let x = (&train.x - &mean) / &std;
    let options = (Kind::Float, Device::Cpu);
    // Each penalty goes on from the one before.
    let mut weight = Tensor::zeros([classes, train.x.size()[1]], options);
    let mut bias = Tensor::zeros([classes], options);
    let mut best: Option<(Probe, f64)> = None;
    for penalty in PENALTIES {
        (weight, bias) = fit(&x, &train.classes, weight, bias, penalty);
        // Of features as they are.
        let scaled = &weight / &std;
        let found = Probe { bias: &bias - scaled.mv(&mean.squeeze_dim(0)), weight: scaled };
        let loss = found.loss(val);
        if best.as_ref().is_none_or(|(_, best)| loss < *best) {
            best = Some((found, loss));
        }
    }
    Ok(best.expect("there are penalties").0)
}

/// Adam on all examples at once.
fn fit(
    x: &Tensor,
    classes: &Tensor,
    weight: Tensor,
    bias: Tensor,
    penalty: f64,
) -> (Tensor, Tensor) {
    let mut parameters = [weight, bias].map(|p| p.set_requires_grad(true));
    let mut moments =
        [0, 1].map(|i: usize| [parameters[i].zeros_like(), parameters[i].zeros_like()]);
    for step in 1..=STEPS {
        let [weight, bias] = &parameters;
        let scores = x.linear(weight, Some(bias));
        let loss = scores.cross_entropy_loss::<Tensor>(classes, None, Reduction::Mean, -100, 0.0);
        let loss = loss + weight.square().sum(Kind::Float) * (penalty / 2.0);
        let gradients = Tensor::run_backward(&[&loss], &[weight, bias], false, false);
        tch::no_grad(|| {
            for ((parameter, [first, second]), gradient) in
                parameters.iter_mut().zip(&mut moments).zip(gradients)
            {
                *first = &*first * 0.9 + &gradient * 0.1;
                *second = &*second * 0.999 + gradient.square() * 0.001;
                let root = (&*second / (1.0 - 0.999f64.powi(step))).sqrt() + 1e-8;
                let update = (&*first / (1.0 - 0.9f64.powi(step))) / root * RATE;
                *parameter -= update;
            }
        });
    }
    let [weight, bias] = parameters.map(|p| p.detach());
    (weight, bias)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_that_a_plane_divides_are_found() {
        let of = |shift: f64| {
            let grid = Tensor::arange(200, (Kind::Float, Device::Cpu)) * 0.37 + shift;
            let x = Tensor::stack(&[grid.sin() * 100.0, (&grid * 1.3).cos()], 1);
            let classes = (x.select(1, 0) / 100.0 + x.select(1, 1)).gt(0.0).to_kind(Kind::Int64);
            Features { x, classes }
        };
        let probe = probe(&of(0.0), &of(0.1), 2).unwrap();
        let (val, test) = (probe.accuracy(&of(0.1)), probe.accuracy(&of(0.2)));
        assert!(val > 0.97 && test > 0.97, "{val} {test}");
    }
}
