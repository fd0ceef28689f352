//! Whether the model is as sure as it is right.

use super::Prediction;

/// Number of bins of the confidence.
pub const BINS: usize = 15;

/// Expected calibration error with [`BINS`] bins of equal width (Guo et al. 2017, "On Calibration
/// of Modern Neural Networks", equation 3):
///
/// ECE = Σₘ |Bₘ| / n · |acc(Bₘ) - conf(Bₘ)|,
///
/// where Bₘ are the predictions with a confidence in ((m - 1) / M, m / M], acc the share of them
/// that is right and conf their mean confidence. 0 is perfect; none of no predictions.
pub fn expected_calibration_error(predictions: &[Prediction]) -> Option<f64> {
    if predictions.is_empty() {
        return None;
    }
    // |Bₘ| (acc(Bₘ) - conf(Bₘ)): what is right less what was promised.
    let mut gaps = [0.0; BINS];
    for prediction in predictions {
        let bin = (prediction.confidence * BINS as f64).ceil() as usize;
        gaps[bin.clamp(1, BINS) - 1] +=
            f64::from(u8::from(prediction.is_correct())) - prediction.confidence;
    }
    Some(gaps.iter().map(|gap| gap.abs()).sum::<f64>() / predictions.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prediction(confidence: f64, correct: bool) -> Prediction {
        Prediction { predicted: usize::from(!correct), confidence, ..Prediction::default() }
    }

    #[test]
    fn overconfidence_counts_by_its_gap() {
        // Four at 0.95, of which three are right: |0.75 - 0.95|; one at 0.6, wrong: |0 - 0.6|.
        let mut predictions = vec![prediction(0.95, true); 3];
        predictions.extend([prediction(0.95, false), prediction(0.6, false)]);
        let error = expected_calibration_error(&predictions).unwrap();
        assert!((error - (4.0 * 0.2 + 0.6) / 5.0).abs() < 1e-12, "{error}");
    }

    #[test]
    fn gaps_of_one_bin_cancel_and_those_of_two_do_not() {
        // 1/3 belongs to the bin (4/15, 5/15] and not to the next.
        let same = [prediction(1.0 / 3.0, true), prediction(0.28, false)];
        let mean = (1.0 / 3.0 + 0.28) / 2.0;
        let error = expected_calibration_error(&same).unwrap();
        assert!((error - (0.5 - mean)).abs() < 1e-12, "{error}");
        let apart = [prediction(0.34, true), prediction(0.28, false)];
        let error = expected_calibration_error(&apart).unwrap();
        assert!((error - (0.66 + 0.28) / 2.0).abs() < 1e-12, "{error}");
        assert_eq!(expected_calibration_error(&[]), None);
    }

    #[test]
    fn certainty_that_is_right_is_perfect() {
        assert_eq!(expected_calibration_error(&vec![prediction(1.0, true); 7]), Some(0.0));
    }
}
