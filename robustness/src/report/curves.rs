//! Figures over severity: a small chart for each kind of change.

use anyhow::Result;
use report::chart::{Chart, Series};
use report::interval::Interval;

use super::names;
use crate::results::{Estimate, Results};
use crate::slice::Idiom;

/// A kind of change, and what came of it over severity for each model.
struct Curves<'a> {
    name: &'a str,
    models: Vec<Vec<(u8, Estimate)>>,
}

/// A chart for each change that has severities, in the order of the suite, with a line a model. All have the
/// same vertical axis.
///
/// # Errors
/// If they cannot be laid out.
pub fn charts(results: &[Results]) -> Result<Vec<String>> {
    let Some(metric) = results.first().map(|it| &it.metric) else { return Ok(Vec::new()) };
    let curves = curves(results);
    let scale = if metric.share { 100.0 } else { 1.0 };
    let scaled = |it: Interval| Interval { low: scale * it.low, high: scale * it.high };
    let all = || curves.iter().flat_map(|it| &it.models).flatten();
    let ends = all().flat_map(|(_, it)| [it.interval.low, it.interval.high, it.value]);
    let ends = ends.filter(|end| end.is_finite());
    let range = ends.fold(Interval { low: 0.0, high: 0.0 }, |range, end| Interval {
        low: range.low.min(end),
        high: range.high.max(end),
    });
    let range = if metric.share { Interval { low: 0.0, high: 1.0 } } else { range };
    let names = if results.len() > 1 { names(results) } else { vec![String::new()] };
    let chart = |it: &Curves<'_>| {
        let series = names.iter().zip(&it.models).map(|(name, points)| Series {
            name: name.clone(),
            points: points.iter().map(|(at, it)| (f64::from(*at), scale * it.value)).collect(),
            intervals: points.iter().map(|(_, it)| scaled(it.interval)).collect(),
            band: false,
        });
        let chart = Chart {
            title: it.name.to_owned(),
            x_label: "severity".to_owned(),
            y_label: metric.name.clone() + if metric.share { " (%)" } else { "" },
            small: true,
            y_range: Some(scaled(range)).filter(|range| range.low < range.high),
            series: series.collect(),
            ..Chart::default()
        };
        chart.to_svg()
    };
    curves.iter().map(chart).collect()
}

fn curves(results: &[Results]) -> Vec<Curves<'_>> {
    let mut kinds: Vec<(Idiom, &str)> = Vec::new();
    for row in results.iter().flat_map(|it| &it.rows).filter(|row| row.slice.severity.is_some()) {
        let kind = (row.slice.idiom, row.slice.name.as_str());
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    let each = kinds.into_iter().map(|(idiom, name)| {
        let points = |results| over_severity(results, idiom, name);
        Curves { name, models: results.iter().map(points).collect() }
    });
    each.collect()
}

/// What came of a kind of change at each severity, ascending. Severity 0 is the clean examples.
pub fn over_severity(results: &Results, idiom: Idiom, name: &str) -> Vec<(u8, Estimate)> {
    let rows = results.rows.iter();
    let rows = rows.filter(|row| row.slice.idiom == idiom && row.slice.name == name);
    let mut points: Vec<(u8, Estimate)> =
        rows.filter_map(|row| Some((row.slice.severity?.number(), row.score?))).collect();
    if !points.is_empty() {
        points.extend(results.clean().and_then(|row| row.score).map(|score| (0, score)));
    }
    points.sort_by_key(|point| point.0);
    points
}
