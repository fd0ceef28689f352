//! Labelled arrays in memory as sequences of features.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use super::recordings::Standardisation;
use crate::batch::{Example, Label, Sequences};
use crate::formats::array::Array;
use crate::split::Examples;

/// What shorter arrays of a batch are filled up with: the mean.
pub const PADDING: f32 = 0.0;

/// How arrays become sequences.
#[derive(Debug, Clone, PartialEq)]
pub struct Form {
    /// What each feature is standardised by.
    pub features: Vec<Standardisation>,
    /// Positions that are kept of an array.
    pub max_length: usize,
}

impl Form {
    /// The sequence of an array.
    ///
    /// # Errors
    /// If it has other features.
    pub fn sequence(&self, array: &Array) -> Result<Sequences> {
        let features = self.features.len();
        ensure!(
            array.features == features,
            "it has {} features, expected {features}, as the model was trained on",
            array.features
        );
        let kept = array.values.iter().take(self.max_length.saturating_mul(features));
        let values = kept.zip(self.features.iter().cycle()).map(|(&x, feature)| feature.apply(x));
        Ok(Sequences::Values { values: values.collect(), features })
    }
}

/// Mean and deviation of each feature of these arrays, all of which have as many.
pub fn measure(arrays: &[&Array]) -> Vec<Standardisation> {
    let features = arrays.first().map_or(0, |array| array.features);
    let of = |feature: usize| {
        let values =
            || arrays.iter().flat_map(|array| array.values.iter().skip(feature).step_by(features));
        let count = values().count() as f64;
        let mean = values().sum::<f64>() / count;
        let squares: f64 = values().map(|value| (value - mean).powi(2)).sum();
        Standardisation { mean, std: (squares / count).sqrt() }
    };
    (0..features).map(of).collect()
}

/// Arrays of one split.
#[derive(Debug)]
pub struct Arrays {
    /// Files, what they hold, and their labels.
    pub files: Vec<(PathBuf, Sequences, Label)>,
}

impl Examples for Arrays {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn example(&self, index: usize) -> Result<Example> {
        let (_, sequence, label) = &self.files[index];
        Ok(Example { sequences: vec![sequence.clone()], label: label.clone() })
    }

    fn label(&self, index: usize) -> Result<Label> {
        Ok(self.files[index].2.clone())
    }

    fn name(&self, index: usize) -> Option<PathBuf> {
        Some(self.files[index].0.clone())
    }

    fn length(&self, index: usize) -> usize {
        self.files[index].1.len()
    }

    fn padding(&self) -> Option<f32> {
        Some(PADDING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_feature_is_standardised_by_its_own_moments() {
        let array = |values: &[f64]| Array { values: values.to_vec(), features: 2 };
        let arrays = [array(&[1.0, 1e9]), array(&[3.0, 1e9 + 4.0, 5.0, 1e9 + 8.0])];
        let features = measure(&[&arrays[0], &arrays[1]]);
        let expected = (8f64 / 3.0).sqrt();
        assert!((features[0].mean - 3.0).abs() < 1e-12, "{features:?}");
        assert!((features[0].std - expected).abs() < 1e-12, "{features:?}");
        assert!((features[1].std - 2.0 * expected).abs() < 1e-6, "{features:?}");
        let form = Form { features, max_length: 1 };
        let Sequences::Values { values, features: 2 } = form.sequence(&arrays[1]).unwrap() else {
            panic!()
        };
        assert!(values.len() == 2 && values.iter().all(|value| value.abs() < 1e-6), "{values:?}");
        let other = Array { values: vec![1.0], features: 1 };
        assert!(form.sequence(&other).unwrap_err().to_string().contains("1 features, expected 2"));
    }
}
