//! The mean corruption error (Hendrycks and Dietterich 2019).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::results::Results;
use crate::slice::Idiom;

/// The errors of a model: of accuracies what they are short of 1, of other figures these themselves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Errors {
    /// On the examples as they are.
    pub clean: f64,
    /// Of each transformation, by severity (`s1` to `s5`).
    pub transformation: BTreeMap<String, BTreeMap<String, f64>>,
}

/// Mean corruption errors.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Mce {
    /// Of the errors.
    pub mce: f64,
    /// Of what the errors are above those of clean examples, where the reference loses anything; `None` where it
    /// loses nothing by any transformation.
    pub relative: Option<f64>,
    /// How many transformations it is the mean of.
    pub transformations: usize,
}

impl Errors {
    /// Those of results; `None` without clean examples.
    pub fn of(results: &Results) -> Option<Self> {
        let error = |value: f64| results.metric.error(value);
        let clean = error(results.clean()?.score?.value);
        let mut transformation: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
        for row in results.rows.iter().filter(|row| row.slice.idiom == Idiom::Transformation) {
            if let (Some(severity), Some(score)) = (row.slice.severity, row.score) {
                let errors = transformation.entry(row.slice.name.clone()).or_default();
                errors.insert(format!("s{}", severity.number()), error(score.value));
            }
        }
        Some(Self { clean, transformation })
    }

    /// The mean over transformations of the error at all severities, and the same of what is lost against
    /// the clean examples. With a `reference` the sum over severities is divided by its sum over the same
    /// ones. `None` where there is no transformation, or none in common.
    pub fn mean(&self, reference: Option<&Self>) -> Option<Mce> {
        let each = self.transformation.iter().filter_map(|(name, errors)| {
            let (mut sums, mut its, mut count) = ([0.0; 2], [0.0; 2], 0.0);
            for (severity, error) in errors {
                let other = match reference {
                    None => [1.0; 2],
                    Some(it) => {
                        let error = it.transformation.get(name)?.get(severity);
                        let Some(error) = error else { continue };
                        [*error, error - it.clean]
                    }
                };
                count += 1.0;
                for (sum, value) in sums.iter_mut().zip([*error, error - self.clean]) {
                    *sum += value;
                }
                its.iter_mut().zip(other).for_each(|(sum, value)| *sum += value);
            }
            let ratio = |of: usize| (its[of] > 0.0).then(|| sums[of] / its[of]);
            (count > 0.0).then(|| [ratio(0), ratio(1)])
        });
        let each: Vec<[Option<f64>; 2]> = each.collect();
        let ratios = |of: usize| -> Vec<f64> { each.iter().filter_map(|it| it[of]).collect() };
        let mean = |ratios: &[f64]| {
            (!ratios.is_empty()).then(|| ratios.iter().sum::<f64>() / ratios.len() as f64)
        };
        let (errors, losses) = (ratios(0), ratios(1));
        let (relative, transformations) = (mean(&losses), errors.len());
        mean(&errors).map(|mce| Mce { mce, relative, transformations })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(clean: f64, of: &[(&str, &[(u8, f64)])]) -> Errors {
        let of_severities = |errors: &[(u8, f64)]| {
            errors.iter().map(|(severity, error)| (format!("s{severity}"), *error)).collect()
        };
        let each = of.iter().map(|(name, errors)| ((*name).to_owned(), of_severities(errors)));
        Errors { clean, transformation: each.collect() }
    }

    #[test]
    fn means_are_over_transformations_and_ratios_over_common_severities() {
        let model = errors(0.1, &[("fog", &[(1, 0.2), (5, 0.6)]), ("noise", &[(3, 0.3)])]);
        let plain = model.mean(None).unwrap();
        assert!((plain.mce - (0.4 + 0.3) / 2.0).abs() < 1e-12);
        assert!((plain.relative.unwrap() - (0.3 + 0.2) / 2.0).abs() < 1e-12);
        let reference =
            errors(0.2, &[("fog", &[(1, 0.4), (3, 0.5), (5, 0.8)]), ("jpeg", &[(3, 0.9)])]);
        let against = model.mean(Some(&reference)).unwrap();
        assert!((against.mce - 0.8 / 1.2).abs() < 1e-12);
        assert!((against.relative.unwrap() - 0.6 / 0.8).abs() < 1e-12);
        assert_eq!(against.transformations, 1);
        assert_eq!(model.mean(Some(&errors(0.2, &[]))), None);
        assert_eq!(model.mean(Some(&model)).unwrap().mce, 1.0);
        // A reference that loses nothing by a change has no loss to divide by.
        let unmoved = errors(0.2, &[("fog", &[(1, 0.2), (5, 0.2)])]);
        let against = model.mean(Some(&unmoved)).unwrap();
        assert!((against.mce - 2.0).abs() < 1e-12 && against.relative.is_none());
    }
}
