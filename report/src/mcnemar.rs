//! McNemar's test: two models, or one before and after a change, on the same examples.

use statrs::distribution::{Binomial, DiscreteCDF};

/// Two-sided probability, by chance, of examples as unevenly divided as `gained` (wrong before, right
/// after) and `lost` (right before, wrong after): the exact test, by the binomial distribution.
pub fn exact(gained: u64, lost: u64) -> f64 {
    let count = gained + lost;
    match Binomial::new(0.5, count) {
        Ok(binomial) if count > 0 => (2.0 * binomial.cdf(gained.min(lost))).min(1.0),
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SciPy 1.17: `binomtest(min(b, c), b + c).pvalue`.
    #[test]
    fn probabilities_are_those_of_scipy() {
        for (gained, lost, expected) in [
            (0, 0, 1.0),
            (5, 5, 1.0),
            (1, 9, 0.021_484_375),
            (9, 1, 0.021_484_375),
            (0, 6, 0.031_25),
            (12, 30, 0.007_915_897_334_896_727),
        ] {
            let p = exact(gained, lost);
            assert!((p - expected).abs() < 1e-12, "{gained} {lost}: {p} {expected}");
        }
    }
}
