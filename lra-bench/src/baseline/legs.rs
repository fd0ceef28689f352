//! What N numbers of a whole signal can say of its end: its projection on the first N Legendre polynomials, which
//! is what the states of HiPPO-LegS hold at best (Gu et al. 2020).

use anyhow::{Result, ensure};
use tch::{Device, Kind, Tensor};

/// The map (L, S), float64, from L samples of a signal to its least-squares projection at the last S of them.
///
/// # Errors
/// If there is no polynomial, or more than samples.
pub(super) fn projection(length: i64, states: i64, steps: i64) -> Result<Tensor> {
    ensure!(
        (1..=length).contains(&states),
        "there are {states} polynomials (model.layer.ssm.d_state); {length} samples of a signal have 1 to {length}"
    );
    let (basis, _) = Tensor::f_linalg_qr(&legendre(length, states), "reduced")?;
    Ok(basis.matmul(&basis.narrow(0, length - steps, steps).tr()))
}

/// The first `count` Legendre polynomials (L, N), at the middles of `length` parts of [-1, 1], by Bonnet's
/// recursion (n + 1) Pₙ₊₁ = (2n + 1) x Pₙ - n Pₙ₋₁.
fn legendre(length: i64, count: i64) -> Tensor {
    let x: Tensor =
        (Tensor::arange(length, (Kind::Double, Device::Cpu)) + 0.5) * (2.0 / length as f64) - 1.0;
    let mut all = vec![x.ones_like(), x.shallow_clone()];
    for n in 1..count {
        let n = n as f64;
        let [.., before, last] = &all[..] else { break };
        let next = (&x * last * (2.0 * n + 1.0) - before * n) / (n + 1.0);
        all.push(next);
    }
    all.truncate(count as usize);
    Tensor::stack(&all, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is a polynomial is kept as it is; of another the part that no polynomial has is lost.
    #[test]
    fn polynomials_of_low_degree_are_kept() {
        let (length, steps) = (200, 30);
        let map = projection(length, 5, steps).unwrap();
        let of = |degree: i64| legendre(length, degree + 1).select(1, degree);
        for degree in 0..5 {
            let end = of(degree).unsqueeze(0).matmul(&map).squeeze_dim(0);
            let error = (end - of(degree).narrow(0, length - steps, steps)).abs().max();
            assert!(error.double_value(&[]) < 1e-10, "degree {degree}");
        }
        let lost = of(6).unsqueeze(0).matmul(&map).abs().max().double_value(&[]);
        assert!(lost < 0.1, "{lost}");
        // P₂ = (3x² - 1) / 2.
        let x = of(1);
        assert!(of(2).allclose(&((x.square() * 3.0 - 1.0) / 2.0), 1e-12, 1e-12, false));
        assert!(projection(10, 11, 2).is_err() && projection(10, 0, 2).is_err());
    }
}
