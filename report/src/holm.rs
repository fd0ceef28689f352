//! Holm's correction (1979): of many tests, which still say something.

/// Each of the probabilities `p` after the correction: with those below a level, the chance of a single
/// false one among all tests is below that level.
pub fn adjust(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![0.0; p.len()];
    let mut least = 0.0f64;
    for (rank, &test) in order.iter().enumerate() {
        least = least.max(((p.len() - rank) as f64 * p[test]).min(1.0));
        adjusted[test] = least;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    /// statsmodels 0.15: `multipletests(p, method="holm")[1]`.
    #[test]
    fn probabilities_are_those_of_statsmodels() {
        let adjusted = adjust(&[0.01, 0.04, 0.03, 0.005]);
        for (adjusted, expected) in adjusted.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((adjusted - expected).abs() < 1e-12, "{adjusted} {expected}");
        }
        assert_eq!(adjust(&[0.6, 0.7]), [1.0, 1.0]);
        assert!(adjust(&[]).is_empty());
    }
}
