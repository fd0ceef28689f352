//! Values with their intervals, one below the other, as SVG.

use anyhow::Result;
use plotters::prelude::*;

use crate::chart::{COLOURS, WIDTH, range};
use crate::interval::Interval;

/// Height of a bar with the gap below it.
const ROW: u32 = 34;

/// Horizontal bars from zero, the first at the top.
#[derive(Debug, Clone, Default)]
pub struct Bars {
    /// Above everything.
    pub title: String,
    /// Below the axis, with the unit.
    pub label: String,
    /// The bars.
    pub bars: Vec<Bar>,
}

/// One bar. Not drawn where its value is not finite; its name stays.
#[derive(Debug, Clone)]
pub struct Bar {
    /// To its left.
    pub name: String,
    /// Where it ends.
    pub value: f64,
    /// How sure that is, if known.
    pub interval: Option<Interval>,
}

impl Bars {
    /// The bars as an SVG document.
    ///
    /// # Errors
    /// If they cannot be laid out.
    pub fn to_svg(&self) -> Result<String> {
        let ends = self.bars.iter().flat_map(|bar| {
            let interval = bar.interval.map(|Interval { low, high }| [low, high]);
            interval.into_iter().flatten().chain([bar.value, 0.0])
        });
        let (low, high) = range(ends.filter(|end| end.is_finite())).unwrap_or((0.0, 1.0));
        let margin = (0.05 * (high - low)).max(1e-300);
        let from = if low < 0.0 { low - margin } else { 0.0 };
        let count = self.bars.len().max(1);
        let height = ROW * count as u32 + 100;
        let mut svg = String::new();
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        area.fill(&WHITE)?;
        let longest = self.bars.iter().map(|bar| bar.name.chars().count()).max().unwrap_or(0);
        let mut chart = ChartBuilder::on(&area)
            .caption(&self.title, ("sans-serif", 22))
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size((9 * longest as u32).clamp(40, WIDTH / 2))
            .build_cartesian_2d(from..high + margin, (0..count - 1).into_segmented())?;
        let name = |place: &SegmentValue<usize>| match place {
            SegmentValue::CenterOf(row) => self.row(*row).map_or("", |bar| &bar.name).to_owned(),
            _ => String::new(),
        };
        chart
            .configure_mesh()
            .disable_y_mesh()
            .light_line_style(WHITE)
            .y_labels(count)
            .y_label_formatter(&name)
            .label_style(("sans-serif", 16))
            .x_desc(&self.label)
            .draw()?;
        for row in 0..self.bars.len() {
            let Some(bar) = self.row(row).filter(|bar| bar.value.is_finite()) else { continue };
            let (top, bottom) = (SegmentValue::Exact(row), SegmentValue::Exact(row + 1));
            let mut body =
                Rectangle::new([(0.0, top), (bar.value, bottom)], COLOURS[0].mix(0.7).filled());
            body.set_margin(5, 5, 0, 0);
            chart.draw_series([body])?;
            if let Some(Interval { low, high }) = bar.interval
                && low.is_finite()
                && high.is_finite()
            {
                let middle = SegmentValue::CenterOf(row);
                let line = PathElement::new(
                    [(low, middle.clone()), (high, middle)],
                    BLACK.stroke_width(2),
                );
                chart.draw_series([line])?;
            }
        }
        area.present()?;
        drop((chart, area));
        Ok(svg)
    }

    /// The bar in a row, counted from the bottom.
    fn row(&self, row: usize) -> Option<&Bar> {
        self.bars.iter().rev().nth(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_keep_their_order_and_what_is_no_number_its_name() {
        let bar = |name: &str, value, interval| Bar { name: name.into(), value, interval };
        let bars = vec![
            bar("WaveNet", 2.0, Some(Interval { low: 1.5, high: 2.6 })),
            bar("a < b", f64::NAN, None),
        ];
        let bars = Bars { title: "FID".into(), label: "lower is better".into(), bars };
        let svg = bars.to_svg().unwrap();
        assert!(svg.contains("a &lt; b") && !svg.contains("NaN"), "{svg}");
        assert!(svg.find("WaveNet") > svg.find("a &lt; b"), "labels are written from the bottom");
        assert_eq!(svg.matches("fill=\"#0072B2\"").count(), 1, "{svg}");
        Bars::default().to_svg().unwrap();
    }
}
