//! What is in the cells of a table on a page.

use crate::interval::Interval;
use crate::page::escaped;

/// A cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Text.
    Text(String),
    /// A number, which stands to the right.
    Number(String),
    /// A difference, which stands to the right, in the colour of what it means.
    Difference(String, Option<Judgement>),
    /// A bar from 0 to `value` with its interval; all three within [0, 1], of the width of the cell.
    Bar {
        /// Where the bar ends.
        value: f64,
        /// How sure that is.
        interval: Interval,
    },
    /// A share within [0, 1], the stronger coloured the larger, and what is written on it.
    Heat(f64, String),
}

/// What a difference means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// An improvement.
    Better,
    /// A regression.
    Worse,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl Cell {
    /// Whether it stands to the right.
    pub(crate) fn is_number(&self) -> bool {
        matches!(self, Self::Number(_) | Self::Difference(..) | Self::Heat(..))
    }

    pub(crate) fn to_html(&self) -> String {
        let number =
            |class: &str, text: &str| format!("<td class=\"{class}\">{}</td>", escaped(text));
        match self {
            Self::Text(text) => format!("<td>{}</td>", escaped(text)),
            Self::Number(text) | Self::Difference(text, None) => number("number", text),
            Self::Difference(text, Some(Judgement::Better)) => number("number better", text),
            Self::Difference(text, Some(Judgement::Worse)) => number("number worse", text),
            Self::Bar { value, interval } => format!("<td>{}</td>", bar(*value, *interval)),
            Self::Heat(share, text) => {
                let percent = 100.0 * within(*share);
                // Text keeps its contrast: the ground never gets stronger than 70 %.
                let ground = format!("--heat: {:.0}%", 0.7 * percent);
                format!("<td class=\"heat\" style=\"{ground}\">{}</td>", escaped(text))
            }
        }
    }
}

/// A bar of 100 by 10 with a whisker, stretched to its place.
fn bar(value: f64, interval: Interval) -> String {
    let [value, low, high] = [value, interval.low, interval.high].map(|it| 100.0 * within(it));
    format!(
        "<svg class=\"bar\" viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
         <rect width=\"{value:.1}\" height=\"10\"/>\
         <path d=\"M{low:.1} 5H{high:.1}M{low:.1} 2V8M{high:.1} 2V8\"/></svg>"
    )
}

fn within(share: f64) -> f64 {
    if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stay_within_themselves() {
        let interval = Interval { low: -3.0, high: f64::NAN };
        let html = Cell::Bar { value: 7.0, interval }.to_html();
        assert!(html.contains("width=\"100.0\"") && html.contains("M0.0 5H0.0"), "{html}");
        let html = Cell::Heat(0.5, "<5>".to_owned()).to_html();
        assert_eq!(html, "<td class=\"heat\" style=\"--heat: 35%\">&lt;5&gt;</td>");
        let html = Cell::Difference("-1".to_owned(), Some(Judgement::Worse)).to_html();
        assert_eq!(html, "<td class=\"number worse\">-1</td>");
    }
}
