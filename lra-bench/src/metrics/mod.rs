//! What a model's predictions tell beyond its loss.
//!
//! [`gather`] collects them while a split is evaluated. [`confusion`], [`calibration`] and
//! [`by_length`] look at those of classes, [`errors`] at those of values, [`series`] at those of series.

pub mod by_length;
pub mod calibration;
pub mod confusion;
pub mod errors;
pub mod gather;
pub mod series;

/// What the model said of one example.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Prediction {
    /// Which example of the split it is.
    pub index: usize,
    /// The class it has.
    pub label: usize,
    /// The class with the highest score.
    pub predicted: usize,
    /// The probability that the model gives to that class: its softmax.
    pub confidence: f64,
    /// Valid positions, those of both sequences where the example is a pair.
    pub length: usize,
    /// The scores of the classes, before the softmax.
    pub logits: Vec<f64>,
}

/// The class with the highest score, the first of several.
pub fn highest(scores: &[f64]) -> usize {
    let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    scores.iter().position(|&score| score == highest).unwrap_or(0)
}

/// The probabilities of the classes whose scores are `logits`.
pub fn softmax(logits: &[f64]) -> Vec<f64> {
    let highest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = logits.iter().map(|logit| (logit - highest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

impl Prediction {
    /// Whether it is right.
    pub fn is_correct(&self) -> bool {
        self.label == self.predicted
    }
}
