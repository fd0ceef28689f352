//! Fisher's exact test: two groups of different examples.

use statrs::stats_tests::Alternative;
use statrs::stats_tests::fisher::fishers_exact;

/// Two-sided probability, by chance, of shares as different as those of two groups, of each of which so
/// many are right and wrong.
pub fn exact(a: [usize; 2], b: [usize; 2]) -> f64 {
    let table = [a[0], b[0], a[1], b[1]].map(|count| count as u64);
    fishers_exact(&table, Alternative::TwoSided).unwrap_or(1.0).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SciPy 1.17: `fisher_exact([[a0, b0], [a1, b1]])[1]`.
    #[test]
    fn probabilities_are_those_of_scipy() {
        for (a, b, expected) in EXPECTED {
            let p = exact(a, b);
            assert!(p >= 0.0 && (p - expected).abs() < 1e-9, "{a:?} {b:?}: {p} {expected}");
        }
    }

    const EXPECTED: [([usize; 2], [usize; 2], f64); 5] = [
        ([8, 2], [1, 5], 0.034965034965034975),
        ([50, 50], [60, 40], 0.20070760013598074),
        ([3, 0], [0, 3], 0.10000000000000002),
        ([246, 4], [391, 359], 0.0), // 1e-47: what rounds to less than 0
        ([130, 63], [1135, 672], 0.23875971729973777),
    ];
}
