//! Linear probes: multinomial logistic regression on features that stay as they are.
//!
//! Features are standardised by those that are learned from; the penalty of the weights is that which
//! does best on the validation split, from strong to weak.

use anyhow::{Result, ensure};
use tch::{Device, Kind, Reduction, Tensor};

use super::Features;

/// Penalties of half the squared weights, from strong to weak.
const PENALTIES: [f64; 7] = [1.0, 0.1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6];
/// Steps of gradient descent for each.
const STEPS: i32 = 200;
const RATE: f64 = 0.05;

/// A probe that was learned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Probed {
    /// Accuracy on the validation split.
    pub val: f64,
    /// Accuracy on the test split.
    pub test: f64,
}

/// Learns from `train`, chooses by `val`, and tells of `test`.
///
/// # Errors
/// If a split is empty.
pub fn probe(train: &Features, val: &Features, test: &Features, classes: i64) -> Result<Probed> {
    for split in [train, val, test] {
        ensure!(split.x.size()[0] > 0, "a linear probe needs examples in every split");
    }
    let mean = train.x.mean_dim([0i64].as_slice(), true, None);
    let std = train.x.std_dim([0i64].as_slice(), false, true).clamp_min(1e-6);
    let [train_x, val_x, test_x] = [train, val, test].map(|split| (&split.x - &mean) / &std);
    let options = (Kind::Float, Device::Cpu);
    // Each penalty goes on from the one before.
    let mut weight = Tensor::zeros([classes, train.x.size()[1]], options);
    let mut bias = Tensor::zeros([classes], options);
    let mut best: Option<Probed> = None;
    for penalty in PENALTIES {
        (weight, bias) = fit(&train_x, &train.classes, weight, bias, penalty);
        let accuracy = |x: &Tensor, split: &Features| {
            let said = x.linear(&weight, Some(&bias)).argmax(1, false);
            said.eq_tensor(&split.classes).mean(Kind::Double).double_value(&[])
        };
        let found = Probed { val: accuracy(&val_x, val), test: accuracy(&test_x, test) };
        if best.is_none_or(|best| found.val > best.val) {
            best = Some(found);
        }
    }
    Ok(best.expect("there are penalties"))
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
        let probed = probe(&of(0.0), &of(0.1), &of(0.2), 2).unwrap();
        assert!(probed.val > 0.97 && probed.test > 0.97, "{probed:?}");
    }
}
