//! Line charts as SVG.

use std::ops::Range;

use anyhow::Result;
use plotters::chart::SeriesLabelPosition::{LowerLeft, MiddleRight};
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

use crate::interval::Interval;

pub(crate) const WIDTH: u32 = 760;
const HEIGHT: u32 = 440;
/// Width and height of a small chart.
const SMALL: (u32, u32) = (380, 270);
/// Okabe and Ito's colours, which colour-blind people can tell apart.
pub(crate) const COLOURS: [RGBColor; 6] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
];

/// A line chart.
#[derive(Debug, Clone, Default)]
pub struct Chart {
    /// Above everything.
    pub title: String,
    /// Below the horizontal axis, with the unit.
    pub x_label: String,
    /// Beside the vertical axis, with the unit.
    pub y_label: String,
    /// Whether the vertical axis is logarithmic.
    pub log: bool,
    /// Whether it is half as wide, to stand beside others.
    pub small: bool,
    /// The ends of the vertical axis, where they do not follow from the lines.
    pub y_range: Option<Interval>,
    /// The lines, in the order of the legend.
    pub series: Vec<Series>,
}

/// One line.
#[derive(Debug, Clone, Default)]
pub struct Series {
    /// What the legend says; empty: nothing.
    pub name: String,
    /// (x, y), joined in this order. A point that is not finite, or on a logarithmic axis not
    /// positive, leaves a gap.
    pub points: Vec<(f64, f64)>,
    /// How sure each y is, drawn as a vertical line; fewer than there are points: no more are known.
    pub intervals: Vec<Interval>,
    /// Whether the intervals are drawn as one band.
    pub band: bool,
}

impl Chart {
    /// The chart as an SVG document.
    ///
    /// # Errors
    /// If it cannot be laid out.
    pub fn to_svg(&self) -> Result<String> {
        let points = || self.series.iter().flat_map(|series| &series.points).copied();
        let ends = || self.series.iter().flat_map(Series::ends);
        let points = || points().chain(ends()).filter(|point| self.is_shown(*point));
        let (left, right) = range(points().map(|(x, _)| x)).unwrap_or((0.0, 1.0));
        let x = left..right + f64::EPSILON * right.abs().max(1.0);
        if self.log {
            let (low, high) = range(points().map(|(_, y)| y)).unwrap_or((0.1, 1.0));
            let Interval { low, high } = self.y_range.unwrap_or(Interval { low, high });
            return self.draw(x, (low / 1.1..high * 1.1).log_scale());
        }
        if let Some(Interval { low, high }) = self.y_range {
            return self.draw(x, low..high);
        }
        let (low, high) = range(points().map(|(_, y)| y)).unwrap_or((0.0, 1.0));
        let margin = (0.05 * (high - low)).max(1e-9 * high.abs().max(low.abs())).max(1e-300);
        self.draw(x, low - margin..high + margin)
    }

    fn is_shown(&self, (x, y): (f64, f64)) -> bool {
        x.is_finite() && y.is_finite() && (y > 0.0 || !self.log)
    }

    /// How many numbers the horizontal axis has at most: a few whole ones have one each.
    fn x_labels(&self) -> usize {
        const MOST: usize = 11;
        let places = || self.series.iter().flat_map(|it| &it.points).map(|point| point.0);
        match range(places()) {
            Some((low, high)) if places().all(|x| x.fract() == 0.0) && high - low < MOST as f64 => {
                (high - low) as usize + 1
            }
            _ => MOST,
        }
    }

    fn draw<Y>(&self, x: Range<f64>, y: Y) -> Result<String>
    where
        Y: AsRangedCoord<Value = f64>,
        Y::CoordDescType: ValueFormatter<f64> + Ranged<ValueType = f64>,
    {
        let mut svg = String::new();
        let (size, title, text) =
            if self.small { (SMALL, 16, 13) } else { ((WIDTH, HEIGHT), 22, 16) };
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(&self.title, ("sans-serif", title))
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(60)
            .build_cartesian_2d(x, y)?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .label_style(("sans-serif", text))
            .x_labels(self.x_labels())
            .x_label_formatter(&|x| ((x * 1e6).round() / 1e6).to_string())
            .x_desc(&self.x_label)
            .y_desc(&self.y_label)
            .draw()?;
        for (series, colour) in self.series.iter().zip(COLOURS.iter().cycle()) {
            if series.band {
                let edge = series.edge().filter(|point| self.is_shown(*point));
                chart.draw_series([Polygon::new(edge.collect::<Vec<_>>(), colour.mix(0.2))])?;
            }
            let runs = series.points.split(|point| !self.is_shown(*point));
            for (number, run) in runs.filter(|run| !run.is_empty()).enumerate() {
                let line = chart
                    .draw_series(LineSeries::new(run.iter().copied(), colour.stroke_width(2)))?;
                if number == 0 && !series.name.is_empty() {
                    line.label(&series.name).legend(|(x, y)| {
                        PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2))
                    });
                }
            }
            for pair in series.ends().collect::<Vec<_>>().chunks(2) {
                if !series.band && pair.iter().all(|end| self.is_shown(*end)) {
                    let whisker = PathElement::new(pair.to_vec(), colour.stroke_width(1));
                    chart.draw_series([whisker])?;
                }
            }
        }
        if self.series.iter().any(|series| !series.name.is_empty()) {
            chart
                .configure_series_labels()
                .position(if self.small { LowerLeft } else { MiddleRight })
                .label_font(("sans-serif", text))
                .background_style(WHITE.mix(0.8))
                .border_style(BLACK)
                .draw()?;
        }
        area.present()?;
        drop((chart, area));
        Ok(svg)
    }
}

impl Series {
    /// The lower and the upper end of each interval, one after the other.
    fn ends(&self) -> impl Iterator<Item = (f64, f64)> {
        let each = self.points.iter().zip(&self.intervals);
        each.flat_map(|((x, _), Interval { low, high })| [(*x, *low), (*x, *high)])
    }

    /// Around the band: along its lower side, and back along its upper one.
    fn edge(&self) -> impl Iterator<Item = (f64, f64)> {
        let each = || self.points.iter().zip(&self.intervals);
        let back = each().rev().map(|((x, _), interval)| (*x, interval.high));
        each().map(|((x, _), interval)| (*x, interval.low)).chain(back)
    }
}

/// The lowest and the highest of `values`.
pub(crate) fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.map(|value| (value, value)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn svg(points: Vec<(f64, f64)>, log: bool) -> String {
        let intervals =
            points.iter().map(|(_, y)| Interval { low: y / 2.0, high: 2.0 * y }).collect();
        let series = vec![Series { name: "S4".into(), points, intervals, band: log }];
        let (x_label, y_label) = ("step".into(), "bits".into());
        let (title, small) = ("Loss & <bits>".into(), log);
        Chart { title, x_label, y_label, log, small, y_range: None, series }.to_svg().unwrap()
    }

    #[test]
    fn text_is_escaped() {
        let svg = svg(vec![(0.0, 1.0), (1.0, 2.0)], false);
        assert!(svg.contains("Loss &amp; &lt;bits&gt;"), "{svg}");
    }

    #[test]
    fn what_is_not_finite_leaves_a_gap() {
        let points = vec![(0.0, 1.0), (1.0, 2.0), (2.0, f64::NAN), (3.0, 2.0), (4.0, 1.0)];
        let svg = svg(points, true);
        let lines = svg.matches("stroke=\"#0072B2\" stroke-width=\"2\"").count();
        assert_eq!(lines, 2 + 1, "two runs and the legend's\n{svg}");
        assert!(!svg.contains("NaN"));
    }

    proptest! {
        #[test]
        fn every_chart_is_drawn_inside_the_picture(
            points in prop::collection::vec((any::<f64>(), -1e12..1e12f64), 0..20),
            scale in -200i32..200,
            log in any::<bool>(),
        ) {
            let points = points.into_iter().map(|(x, y)| (x / 1e10, y * 10f64.powi(scale))).collect();
            let svg = svg(points, log);
            prop_assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            let lines = svg.split("<polyline").skip(1).filter_map(|line| line.split("points=\"").nth(1));
            for numbers in lines.map(|rest| rest.split('"').next().unwrap()) {
                for number in numbers.split([',', ' ']).filter(|number| !number.is_empty()) {
                    prop_assert!((0..=760).contains(&number.parse::<i32>().unwrap()), "{number}");
                }
            }
        }
    }
}
