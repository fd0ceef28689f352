//! Line charts as SVG: what was measured as a picture in the documentation.

use std::fmt::Write;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 440.0;
const FONT: f64 = 13.0;
/// Width of a letter on average, generous, in units of the font's size.
const LETTER: f64 = 0.56;
/// Okabe and Ito's colours, which colour-blind people can tell apart; yellow is left out on white.
const COLOURS: [&str; 7] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555"];
/// Series with more points get no marker at each.
const MARKED_POINTS: usize = 25;
const INK: &str = "#222222";
const GRID: &str = "#e4e4e4";

/// A line chart.
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
    /// A value to compare with: a dashed horizontal line.
    pub reference: Option<Reference>,
    /// Logarithmic vertical axis; values that are not positive are left out.
    pub log_y: bool,
}

/// One line.
#[derive(Debug, Clone)]
pub struct Series {
    /// What the legend says.
    pub name: String,
    /// (x, y), joined in this order. A point that is not finite leaves a gap.
    pub points: Vec<(f64, f64)>,
}

/// A horizontal line.
#[derive(Debug, Clone)]
pub struct Reference {
    /// What the legend says.
    pub name: String,
    /// Where it is.
    pub y: f64,
}

/// Entries of the legend side by side: where they begin, name and stroke.
#[derive(Debug)]
struct LegendRow<'a> {
    width: f64,
    entries: Vec<(f64, &'a str, String)>,
}

/// One axis: values to pixels.
#[derive(Debug)]
struct Axis {
    /// In logarithms where `log`.
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    log: bool,
    ticks: Vec<f64>,
}

impl Chart {
    /// The chart as an SVG document.
    pub fn to_svg(&self) -> String {
        let shown =
            |&(x, y): &(f64, f64)| x.is_finite() && y.is_finite() && (!self.log_y || y > 0.0);
        let points = || self.series.iter().flat_map(|series| &series.points).copied().filter(shown);
        let reference = self.reference.as_ref().filter(|line| shown(&(0.0, line.y)));
        let ys = points().map(|(_, y)| y).chain(reference.map(|line| line.y));

        let (legend, legend_rows) = self.legend(reference);
        let top = 46.0 + 20.0 * legend_rows as f64;
        let bottom = HEIGHT - 58.0;
        let y_axis = Axis::new(ys, bottom, top, self.log_y);
        let widest = y_axis.ticks.iter().map(|&y| y_axis.label(y).chars().count()).max();
        let left = 44.0 + FONT * LETTER * widest.unwrap_or(1) as f64;
        let right = WIDTH - 24.0;
        let x_axis = Axis::new(points().map(|(x, _)| x), left, right, false);

        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             width=\"{WIDTH}\" height=\"{HEIGHT}\" font-family=\"Helvetica, Arial, sans-serif\" \
             font-size=\"{FONT}\" fill=\"{INK}\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        );
        let middle = (left + right) / 2.0;
        svg += &text(
            WIDTH / 2.0,
            28.0,
            "middle",
            &self.title,
            " font-size=\"16\" font-weight=\"bold\"",
        );
        svg += &legend;
        for &y in &y_axis.ticks {
            let at = y_axis.place(y);
            svg += &line((left, at), (right, at), GRID, "");
            svg += &text(left - 8.0, at + 4.5, "end", &y_axis.label(y), "");
        }
        for &x in &x_axis.ticks {
            let at = x_axis.place(x);
            svg += &line((at, bottom), (at, bottom + 5.0), INK, "");
            svg += &text(at, bottom + 20.0, "middle", &x_axis.label(x), "");
        }
        svg += &line((left, bottom), (right, bottom), INK, "");
        svg += &text(middle, HEIGHT - 14.0, "middle", &self.x_label, "");
        let turned = format!(" transform=\"rotate(-90 18 {0})\"", (top + bottom) / 2.0);
        svg += &text(18.0, (top + bottom) / 2.0, "middle", &self.y_label, &turned);
        if points().next().is_none() {
            svg += &text(middle, (top + bottom) / 2.0, "middle", "no finite points", "");
        }
        if let Some(reference) = reference {
            let at = y_axis.place(reference.y);
            svg += &line((left, at), (right, at), INK, DASHED);
        }
        for (index, series) in self.series.iter().enumerate() {
            let mut path = String::new();
            let mut marks = String::new();
            for run in series.points.split(|point| !shown(point)).filter(|run| !run.is_empty()) {
                for (n, &(x, y)) in run.iter().enumerate() {
                    let (x, y) = (x_axis.place(x), y_axis.place(y));
                    let command = if n == 0 { 'M' } else { 'L' };
                    // Writing to a string does not fail.
                    let _ = write!(path, "{command}{x:.1} {y:.1}");
                    // With round ends, a line of no length is a dot.
                    path += if run.len() == 1 { "h0" } else { "" };
                    if series.points.len() <= MARKED_POINTS {
                        let _ = write!(marks, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>");
                    }
                }
            }
            let style = stroke(index);
            svg += &format!("<path d=\"{path}\" fill=\"none\" {style}/>\n");
            if !marks.is_empty() {
                svg += &format!("<g fill=\"{}\">{marks}</g>\n", COLOURS[index % COLOURS.len()]);
            }
        }
        svg + "</svg>\n"
    }

    /// The legend under the title, in as many rows as it needs.
    fn legend(&self, reference: Option<&Reference>) -> (String, usize) {
        let dashed = format!("stroke=\"{INK}\"{DASHED}");
        let series = self.series.iter().enumerate();
        let entries = series
            .map(|(index, series)| (series.name.as_str(), stroke(index)))
            .chain(reference.map(|line| (line.name.as_str(), dashed)));
        let mut rows: Vec<LegendRow> = Vec::new();
        for (name, style) in entries {
            let width = 52.0 + FONT * LETTER * name.chars().count() as f64;
            match rows.last_mut() {
                Some(row) if row.width + width <= WIDTH - 40.0 => {
                    row.entries.push((row.width, name, style));
                    row.width += width;
                }
                _ => rows.push(LegendRow { width, entries: vec![(0.0, name, style)] }),
            }
        }
        let mut svg = String::new();
        for (number, row) in rows.iter().enumerate() {
            let y = 50.0 + 20.0 * number as f64;
            // The last entry's gap is not part of the row.
            let start = (WIDTH - row.width + 20.0) / 2.0;
            for (at, name, style) in &row.entries {
                let x = start + at;
                svg += &format!("<path d=\"M{x:.1} {y}h24\" fill=\"none\" {style}/>\n");
                svg += &text(x + 30.0, y + 4.5, "start", name, "");
            }
        }
        (svg, rows.len())
    }
}

impl Axis {
    /// From pixel `from` to pixel `to`, so that all `values` and a little more are on it.
    fn new(values: impl Iterator<Item = f64>, from: f64, to: f64, log: bool) -> Self {
        let scaled = values.map(|value| if log { value.log10() } else { value });
        let (mut low, mut high) = scaled
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if high - low <= 1e-9 * high.abs().max(low.abs()) {
            let room = if log || low == 0.0 { 0.5 } else { 0.1 * low.abs() };
            (low, high) = (low - room, high + room);
        }
        let room = 0.04 * (high - low);
        // The horizontal axis begins where the data does; the vertical one has some air.
        if from > to {
            (low, high) = (low - room, high + room);
        }
        let ticks = if log { log_ticks(low, high) } else { linear_ticks(low, high) };
        Self { low, high, from, to, log, ticks }
    }

    fn place(&self, value: f64) -> f64 {
        let value = if self.log { value.log10() } else { value };
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// A tick's value, with as many digits as tell it from its neighbours.
    fn label(&self, value: f64) -> String {
        let largest = self.ticks.iter().fold(0.0f64, |a, b| a.max(b.abs()));
        let steps = self.ticks.windows(2).map(|pair| pair[1] - pair[0]);
        let step = if self.log { value } else { steps.fold(largest, f64::min) };
        if value == 0.0 {
            "0".to_owned()
        } else if !(1e-3..1e6).contains(&if self.log { value } else { largest }) {
            let digits = (value.abs().log10().floor() - step.log10().floor()).max(0.0) as usize;
            let text = format!("{value:.digits$e}");
            text.replace('-', "\u{2212}")
        } else {
            // A step of 2.5 needs one digit more than one of 2 or 5.
            let decimals = (0..12)
                .find(|&n| {
                    let scaled = step * 10f64.powi(n);
                    (scaled - scaled.round()).abs() < 1e-6 * scaled
                })
                .unwrap_or(12) as usize;
            format!("{value:.decimals$}").replace('-', "\u{2212}")
        }
    }
}

/// Four to eight round values in a range.
fn linear_ticks(low: f64, high: f64) -> Vec<f64> {
    let rough = (high - low) / 7.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|factor| factor * power);
    let step = step.into_iter().find(|&step| step >= rough).unwrap_or(10.0 * power);
    let first = (low / step - 1e-9).ceil();
    let count = ((high / step + 1e-9).floor() - first).max(0.0) as usize;
    (0..=count).map(|n| (first + n as f64) * step).collect()
}

/// Powers of ten in a range of logarithms; with 2 and 5 between where there are few of them, and
/// round values where there are none.
fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    let decades = high - low;
    let every = (decades / 7.0).ceil().max(1.0) as i32;
    let factors: &[f64] = if decades <= 3.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let ticks: Vec<f64> = (low.floor() as i32..=high.ceil() as i32)
        .filter(|power| power % every == 0)
        .flat_map(|power| factors.iter().map(move |factor| factor * 10f64.powi(power)))
        .filter(|tick| (low..=high).contains(&tick.log10()))
        .collect();
    if ticks.len() >= 3 { ticks } else { linear_ticks(10f64.powf(low), 10f64.powf(high)) }
}

const DASHED: &str = " stroke-width=\"1.5\" stroke-dasharray=\"6 4\"";

/// Colour of series `index`; when all are used up, again with dashes.
fn stroke(index: usize) -> String {
    let dashes = ["", " stroke-dasharray=\"8 4\"", " stroke-dasharray=\"2 4\""];
    format!(
        "stroke=\"{}\" stroke-width=\"2\" stroke-linejoin=\"round\" stroke-linecap=\"round\"{}",
        COLOURS[index % COLOURS.len()],
        dashes[index / COLOURS.len() % dashes.len()]
    )
}

fn line(from: (f64, f64), to: (f64, f64), colour: &str, more: &str) -> String {
    format!(
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\"{more}/>\n",
        from.0, from.1, to.0, to.1
    )
}

fn text(x: f64, y: f64, anchor: &str, text: &str, more: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\"{more}>{text}</text>\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chart(points: Vec<(f64, f64)>) -> Chart {
        Chart {
            title: "Loss & <bits>".into(),
            x_label: "step".into(),
            y_label: "bits".into(),
            series: vec![Series { name: "S4".into(), points }],
            ..Chart::default()
        }
    }

    #[test]
    fn text_is_escaped() {
        let svg = chart(vec![(0.0, 1.0), (1.0, 2.0)]).to_svg();
        assert!(svg.contains("Loss &amp; &lt;bits&gt;"), "{svg}");
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(linear_ticks(0.0, 10.0), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(linear_ticks(-0.3, 0.31).len(), 7);
        assert_eq!(log_ticks(-2.1, 4.0), [1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3, 1e4]);
        assert_eq!(log_ticks(0.0, 1.0), [1.0, 2.0, 5.0, 10.0]);
        assert!(log_ticks(0.31, 0.42).len() >= 3);
        let axis = |low, high| Axis::new([low, high].into_iter(), 0.0, 100.0, false);
        let labels = |axis: &Axis| axis.ticks.iter().map(|&t| axis.label(t)).collect::<Vec<_>>();
        assert_eq!(labels(&axis(0.0, 1.0)), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(&axis(-30.0, 0.0))[0], "\u{2212}30");
        assert_eq!(labels(&axis(0.0, 3e7))[1], "5e6");
    }

    #[test]
    fn what_is_not_finite_leaves_a_gap() {
        let points = vec![(0.0, 1.0), (1.0, 2.0), (2.0, f64::NAN), (3.0, 2.0), (4.0, 1.0)];
        let svg = chart(points).to_svg();
        let path = svg.lines().find(|line| line.contains("linecap") && line.contains('L')).unwrap();
        assert_eq!((path.matches('M').count(), path.matches('L').count()), (2, 2), "{path}");
        assert!(!svg.contains("NaN"));
        assert!(chart(vec![(f64::INFINITY, 0.0)]).to_svg().contains("no finite points"));
    }

    #[test]
    fn a_value_is_where_the_axis_says() {
        let axis = Axis::new([1.0, 1000.0].into_iter(), 400.0, 100.0, true);
        assert!((axis.place(1000f64.sqrt()) - 250.0).abs() < 1e-9);
        assert!(axis.place(1.0) < 400.0 && axis.place(1000.0) > 100.0);
        let axis = Axis::new([5.0, 15.0].into_iter(), 50.0, 150.0, false);
        assert_eq!([axis.place(5.0), axis.place(10.0), axis.place(15.0)], [50.0, 100.0, 150.0]);
    }

    #[test]
    fn a_long_legend_wraps() {
        let mut many = chart(vec![(0.0, 1.0)]);
        let series = |n| Series { name: format!("a long name of run {n}"), points: vec![] };
        many.series = (0..9).map(series).collect();
        let (_, rows) = many.legend(None);
        assert!((2..=4).contains(&rows), "{rows}");
        assert!(stroke(8).contains(COLOURS[1]) && stroke(8).contains("dash"));
    }

    proptest! {
        #[test]
        fn every_chart_is_drawn_inside_the_picture(
            points in prop::collection::vec((any::<f64>(), -1e12..1e12f64), 0..20),
            scale in -200i32..200,
            log_y: bool,
        ) {
            let points = points.into_iter().map(|(x, y)| (x / 1e10, y * 10f64.powi(scale))).collect();
            let svg = Chart { log_y, ..chart(points) }.to_svg();
            prop_assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            let numbers = svg.split("cx=\"").skip(1).chain(svg.split("cy=\"").skip(1));
            for number in numbers.map(|rest| rest.split('"').next().unwrap()) {
                let number: f64 = number.parse().unwrap();
                prop_assert!((0.0..=WIDTH).contains(&number), "{number}");
            }
        }
    }
}
