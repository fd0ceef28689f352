//! A coarse instrument.

use super::mapped;
use crate::Effect;
use crate::change::Change;
use crate::content::Series;

const LEVELS: [u32; 5] = [64, 32, 16, 8, 4];

pub(crate) const QUANTISED: Change<Series> = Change {
    name: "quantised",
    about: "rounded to levels between each feature's least and largest value",
    effect: Effect::Invariant,
    strength: |severity| format!("{} levels", severity.of(LEVELS)),
    change: |series, severity, _, _| {
        let features = series.features.max(1);
        let limits: Vec<(f64, f64)> = (0..features)
            .map(|feature| {
                let values = series.values.iter().skip(feature).step_by(features);
                values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), &value| {
                    (least.min(value.into()), most.max(value.into()))
                })
            })
            .collect();
        let steps = f64::from(severity.of(LEVELS) - 1);
        Ok(mapped(series, |value, _, feature| {
            let (least, most) = limits[feature];
            let step = (most - least) / steps;
            if step > 0.0 { least + ((value - least) / step).round() * step } else { value }
        }))
    },
};

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::testing::waves;
    use super::*;
    use crate::{Severity, seed};

    #[test]
    fn there_are_as_many_levels_as_were_asked_for() {
        let random = &mut seed::generator("levels", &[]);
        let series = Series { values: (0..500).map(|i| i as f32 - 200.0).collect(), features: 1 };
        for severity in Severity::ALL {
            let after = (QUANTISED.change)(&series, severity, random, &[]).unwrap();
            let levels: HashSet<u32> = after.values.iter().map(|value| value.to_bits()).collect();
            assert_eq!(levels.len(), severity.of(LEVELS) as usize);
        }
        assert!((QUANTISED.change)(&waves(), Severity::ALL[0], random, &[]).is_ok());
    }
}
