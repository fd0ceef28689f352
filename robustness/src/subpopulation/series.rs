//! Scores of series: of their first feature.

use anyhow::Result;
use transformations::content::{Content, Kind};

use super::{Known, Measure, Value};
use crate::subject::Item;

const fn measured(
    name: &'static str,
    about: &'static str,
    of: fn(&Item, &Known<'_>) -> Result<Option<Value>>,
) -> Measure {
    Measure { name, about, kinds: &[Kind::Series], is_number: true, of }
}

/// How much of it is a line.
pub(super) const TREND: Measure =
    measured("trend", "share of the variance that a straight line explains", |item, _| {
        Ok(number(item, |x| {
            let line: Vec<f64> = (0..x.len()).map(|i| i as f64).collect();
            Some(correlation(x, &line)?.powi(2))
        }))
    });

/// How much it repeats itself.
pub(super) const SEASON: Measure =
    measured("season", "highest autocorrelation after the first below 0", |item, _| {
        Ok(number(item, |x| {
            let at = |lag: usize| correlation(&x[lag..], &x[..x.len() - lag]);
            let mut lags = (1..x.len() / 2).map(at).skip_while(|it| it.is_some_and(|it| it > 0.0));
            let first = lags.next()??;
            Some(lags.flatten().fold(first, f64::max))
        }))
    });

/// How much it jumps.
pub(super) const VOLATILITY: Measure =
    measured("volatility", "deviation of the steps over that of the values", |item, _| {
        Ok(number(item, |x| {
            let steps: Vec<f64> = x.windows(2).map(|pair| pair[1] - pair[0]).collect();
            Some(deviation(&steps) / deviation(x)).filter(|it| it.is_finite())
        }))
    });

fn number(item: &Item, of: impl Fn(&[f64]) -> Option<f64>) -> Option<Value> {
    let Content::Series(series) = &item.content else { return None };
    let first: Vec<f64> =
        series.values.iter().step_by(series.features.max(1)).map(|&x| f64::from(x)).collect();
    (first.len() > 2).then(|| of(&first)).flatten().map(Value::Number)
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

fn deviation(x: &[f64]) -> f64 {
    let centre = mean(x);
    (x.iter().map(|x| (x - centre).powi(2)).sum::<f64>() / x.len() as f64).sqrt()
}

fn correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    let (of_a, of_b) = (mean(a), mean(b));
    let product = a.iter().zip(b).map(|(a, b)| (a - of_a) * (b - of_b)).sum::<f64>();
    let scale = deviation(a) * deviation(b) * a.len() as f64;
    (scale > 0.0).then(|| product / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_waves_and_noise_differ() {
        let item = |values: Vec<f32>| Item {
            index: 0,
            content: transformations::content::Series { values, features: 1 }.into(),
            label: 0.into(),
        };
        let of =
            |f: &dyn Fn(&[f64]) -> Option<f64>, values: Vec<f32>| match number(&item(values), f) {
                Some(Value::Number(value)) => value,
                other => panic!("{other:?}"),
            };
        let line: Vec<f64> = (0..50).map(f64::from).collect();
        let trend = |x: &[f64]| Some(correlation(x, &line)?.powi(2));
        assert!(of(&trend, (0..50).map(|i| 2.0 * i as f32 + 1.0).collect()) > 0.999);
        let wave = (0..50).map(|i| (i as f32 * 0.628).sin()).collect();
        assert!(of(&trend, wave) < 0.1);
        assert!(number(&item(vec![1.0; 9]), trend).is_none());
    }
}
