//! Line charts as SVG: what was measured as a picture in the documentation.

use anyhow::Result;
use plotters::prelude::*;

const SIZE: (u32, u32) = (760, 440);
/// Okabe and Ito's colours, which colour-blind people can tell apart.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
];

/// A line chart with a logarithmic vertical axis.
#[derive(Debug, Clone, Default)]
pub struct Chart {
    /// Above everything.
    pub title: String,
    /// Below the horizontal axis, with the unit.
    pub x_label: String,
    /// Beside the vertical axis, with the unit.
    pub y_label: String,
    /// The lines, in the order of the legend.
    pub series: Vec<Series>,
}

/// One line.
#[derive(Debug, Clone)]
pub struct Series {
    /// What the legend says.
    pub name: String,
    /// (x, y), joined in this order. A point that is not finite, or whose y is not positive, leaves
    /// a gap.
    pub points: Vec<(f64, f64)>,
}

impl Chart {
    /// The chart as an SVG document.
    ///
    /// # Errors
    /// If it cannot be laid out.
    pub fn to_svg(&self) -> Result<String> {
        let shown = |&(x, y): &(f64, f64)| x.is_finite() && y.is_finite() && y > 0.0;
        let points = || self.series.iter().flat_map(|series| &series.points).copied().filter(shown);
        let (left, right) = range(points().map(|(x, _)| x)).unwrap_or((0.0, 1.0));
        let (low, high) = range(points().map(|(_, y)| y)).unwrap_or((0.1, 1.0));
        let mut svg = String::new();
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(&self.title, ("sans-serif", 22))
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(60)
            .build_cartesian_2d(
                left..right + f64::EPSILON * right.abs().max(1.0),
                (low / 1.1..high * 1.1).log_scale(),
            )?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .label_style(("sans-serif", 16))
            .x_desc(&self.x_label)
            .y_desc(&self.y_label)
            .draw()?;
        for (series, colour) in self.series.iter().zip(COLOURS.iter().cycle()) {
            let runs = series.points.split(|point| !shown(point)).filter(|run| !run.is_empty());
            for (number, run) in runs.enumerate() {
                let line = chart
                    .draw_series(LineSeries::new(run.iter().copied(), colour.stroke_width(2)))?;
                if number == 0 {
                    line.label(&series.name).legend(|(x, y)| {
                        PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2))
                    });
                }
            }
        }
        chart
            .configure_series_labels()
            .label_font(("sans-serif", 16))
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK)
            .draw()?;
        area.present()?;
        drop((chart, area));
        Ok(svg)
    }
}

/// The lowest and the highest of `values`.
fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.map(|value| (value, value)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn svg(points: Vec<(f64, f64)>) -> String {
        let series = vec![Series { name: "S4".into(), points }];
        let (x_label, y_label) = ("step".into(), "bits".into());
        Chart { title: "Loss & <bits>".into(), x_label, y_label, series }.to_svg().unwrap()
    }

    #[test]
    fn text_is_escaped() {
        let svg = svg(vec![(0.0, 1.0), (1.0, 2.0)]);
        assert!(svg.contains("Loss &amp; &lt;bits&gt;"), "{svg}");
    }

    #[test]
    fn what_is_not_finite_leaves_a_gap() {
        let points = vec![(0.0, 1.0), (1.0, 2.0), (2.0, f64::NAN), (3.0, 2.0), (4.0, 1.0)];
        let svg = svg(points);
        let lines = svg.matches("stroke=\"#0072B2\" stroke-width=\"2\"").count();
        assert_eq!(lines, 2 + 1, "two runs and the legend's\n{svg}");
        assert!(!svg.contains("NaN"));
    }

    proptest! {
        #[test]
        fn every_chart_is_drawn_inside_the_picture(
            points in prop::collection::vec((any::<f64>(), -1e12..1e12f64), 0..20),
            scale in -200i32..200,
        ) {
            let points = points.into_iter().map(|(x, y)| (x / 1e10, y * 10f64.powi(scale))).collect();
            let svg = svg(points);
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
