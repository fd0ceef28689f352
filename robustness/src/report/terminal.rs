//! A report as text in columns.

use super::Report;
use super::table::Cell;

/// Cells of the widest bar.
const BAR: usize = 16;

/// The report as text in columns, with bars beside the figures of one model.
pub fn text(report: &Report<'_>) -> String {
    let table = &report.table;
    let scale = table.scale();
    let bar = |cell: &Cell<'_>| match cell {
        Cell::Score(score) if table.has_bars() => {
            let share = score.map_or(0.0, |score| (score.value / scale).clamp(0.0, 1.0));
            let cells = (share * BAR as f64).round() as usize;
            Some(format!("{:BAR$}", "█".repeat(cells)))
        }
        _ => None,
    };
    // A column is as wide as its widest cell; bars have one of their own.
    let mut columns: Vec<(bool, Vec<String>)> = Vec::new();
    let texts = table.texts();
    for (place, (column, heading)) in table.columns.iter().zip(table.headings()).enumerate() {
        let cells = [heading].into_iter().chain(texts.iter().map(|row| line(&row[place])));
        columns.push((column.what.is_number(), cells.collect()));
        let bars: Vec<String> = table.rows.iter().filter_map(|row| bar(&row[place])).collect();
        if !bars.is_empty() {
            columns.push((false, [String::new()].into_iter().chain(bars).collect()));
        }
    }
    let width = |cells: &[String]| cells.iter().map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = columns.iter().map(|(_, it)| width(it).unwrap_or(0)).collect();
    let mut text: String = report.about.iter().map(|line| format!("{line}\n")).collect();
    if !report.about.is_empty() {
        text.push('\n');
    }
    let mut group = None;
    for row in 0..=table.rows.len() {
        let idiom = row.checked_sub(1).and_then(|row| match table.rows[row].first() {
            Some(Cell::Slice(slice)) => Some(slice.idiom),
            _ => None,
        });
        if group.replace(idiom).flatten().is_some_and(|last| Some(last) != idiom) {
            text.push('\n');
        }
        let cells = columns.iter().zip(&widths).map(|((right, cells), &width)| {
            let cell = &cells[row];
            if *right { format!("{cell:>width$}") } else { format!("{cell:width$}") }
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text.push('\n');
    text + &report.findings.iter().map(|line| format!("{line}\n")).collect::<String>()
}

/// Text that is one line.
fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
