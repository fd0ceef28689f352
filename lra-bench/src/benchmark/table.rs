//! The figures for reading, as text or Markdown, and for programs, as JSON.

use std::fmt::Write as _;

use measure::{bytes, significant};
use serde_json::{Value, json};

use super::session::{Outcome, Row};

const COLUMNS: [&str; 8] = [
    "model",
    "parameters",
    "length",
    "training steps/s",
    "speed ratio",
    "peak memory",
    "generation steps/s",
    "streamed steps/s",
];

/// What the columns mean.
const LEGEND: &str = "\
A training step is forward pass, backward pass and AdamW of a causal classifier on noise. The speed
ratio is to the first model at the same length. Peak memory is what a training step takes on top of
the loaded model. A generation step is one position of the whole batch through the residual blocks,
as a recurrence in libtorch; the Transformer's is measured with a cache of keys and values for half the
length. A streamed step is the same position from its input to the scores in the engine without libtorch,
on the CPU, which steps S4 and S4D.";

/// A table of aligned columns.
pub fn text(rows: &[Row]) -> String {
    let cells = cells(rows);
    let width = |column: usize| {
        let header = COLUMNS[column].chars().count();
        cells.iter().map(|row| row[column].chars().count()).fold(header, usize::max)
    };
    let widths: Vec<usize> = (0..COLUMNS.len()).map(width).collect();
    let mut table = String::new();
    for row in std::iter::once(&COLUMNS.map(str::to_owned)).chain(&cells) {
        let padded = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        let line = padded.collect::<Vec<_>>().join("  ");
        table.push_str(line.trim_end());
        table.push('\n');
    }
    table + &notes(rows)
}

/// A Markdown table.
pub fn markdown(rows: &[Row]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut table = line(&COLUMNS.map(str::to_owned));
    table.push_str("|---|");
    table.push_str(&"---:|".repeat(COLUMNS.len() - 1));
    table.push('\n');
    for row in cells(rows) {
        table.push_str(&line(&row));
    }
    table + &notes(rows)
}

/// The figures of each entry, or why there are none.
pub fn json(rows: &[Row]) -> Value {
    let entry = |row: &Row| {
        let mut object = json!({"model": row.entry.model, "length": row.entry.length});
        match &row.outcome {
            Outcome::Skipped(reason) => object["skipped"] = json!(reason),
            Outcome::Measured(measured) => {
                object["parameters"] = json!(measured.parameters);
                object["training_steps_per_second"] = json!(1.0 / measured.seconds_per_step);
                object["peak_bytes"] = json!(measured.peak_bytes);
                object["generation_steps_per_second"] = json!(measured.generated_per_second);
                object["streamed_steps_per_second"] = json!(measured.streamed_per_second);
            }
        }
        object
    };
    rows.iter().map(entry).collect()
}

/// An entry's figures in one line, while others are still to come.
pub fn line(row: &Row) -> String {
    let name = format!("{}, {} positions", row.entry.model.name(), row.entry.length);
    match &row.outcome {
        Outcome::Skipped(reason) => format!("{name}: skipped: {reason}"),
        Outcome::Measured(measured) => format!(
            "{name}: {} training steps/s, {}, {} generation steps/s{}",
            significant(1.0 / measured.seconds_per_step),
            measured.peak_bytes.map_or_else(|| "unknown memory".to_owned(), bytes),
            significant(measured.generated_per_second),
            measured
                .streamed_per_second
                .map_or_else(String::new, |rate| format!(", {} streamed", significant(rate)))
        ),
    }
}

fn cells(rows: &[Row]) -> Vec<[String; COLUMNS.len()]> {
    let none = || "-".to_owned();
    let mut cells = Vec::new();
    for row in rows {
        let (name, length) = (row.entry.model.name().to_owned(), row.entry.length.to_string());
        cells.push(match &row.outcome {
            Outcome::Skipped(_) => {
                [name, none(), length, "skipped".to_owned(), none(), none(), none(), none()]
            }
            Outcome::Measured(measured) => [
                name,
                measured.parameters.to_string(),
                length,
                significant(1.0 / measured.seconds_per_step),
                speed_ratio(rows, row).map_or_else(none, significant),
                measured.peak_bytes.map_or_else(none, bytes),
                significant(measured.generated_per_second),
                measured.streamed_per_second.map_or_else(none, significant),
            ],
        });
    }
    cells
}

/// Training speed relative to that of the first model at the same length.
fn speed_ratio(rows: &[Row], row: &Row) -> Option<f64> {
    let first = rows.first()?.entry.model;
    let reference =
        rows.iter().find(|r| r.entry.model == first && r.entry.length == row.entry.length)?;
    match (&reference.outcome, &row.outcome) {
        (Outcome::Measured(reference), Outcome::Measured(measured)) => {
            Some(reference.seconds_per_step / measured.seconds_per_step)
        }
        _ => None,
    }
}

/// The legend, and the reasons of what was skipped.
fn notes(rows: &[Row]) -> String {
    let mut notes = format!("\n{LEGEND}\n");
    let mut skipped = rows.iter().filter(|row| matches!(row.outcome, Outcome::Skipped(_)));
    if let Some(first) = skipped.next() {
        notes.push_str("\nSkipped:\n\n");
        for row in std::iter::once(first).chain(skipped) {
            if let Outcome::Skipped(reason) = &row.outcome {
                let name = row.entry.model.name();
                writeln!(notes, "- {name}, {} positions: {reason}", row.entry.length)
                    .expect("writing to a string");
            }
        }
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::entry::{Entry, Measured, Model};

    fn rows() -> Vec<Row> {
        let entry = |model, length| Entry {
            model,
            length,
            batch: 1,
            d_model: 8,
            n_layers: 1,
            device: "cpu".to_owned(),
            seconds: 1.0,
        };
        let measured = |seconds_per_step, streamed_per_second| {
            Outcome::Measured(Measured {
                parameters: 1234,
                seconds_per_step,
                peak_bytes: Some(3.0 * f64::from(1 << 20)),
                generated_per_second: 50.0,
                streamed_per_second,
            })
        };
        vec![
            Row { entry: entry(Model::S4, 64), outcome: measured(0.1, Some(700.0)) },
            Row { entry: entry(Model::Transformer, 64), outcome: measured(0.4, None) },
            Row {
                entry: entry(Model::Transformer, 128),
                outcome: Outcome::Skipped("out of memory".to_owned()),
            },
        ]
    }

    #[test]
    fn the_first_model_is_the_measure_and_reasons_are_told() {
        let table = markdown(&rows());
        let lines: Vec<_> = table.lines().collect();
        assert!(lines[0].starts_with("| model | parameters |"), "{table}");
        assert_eq!(lines[2], "| S4 | 1234 | 64 | 10 | 1.0 | 3.0 MiB | 50 | 700 |");
        assert_eq!(lines[3], "| Transformer | 1234 | 64 | 2.5 | 0.25 | 3.0 MiB | 50 | - |");
        assert_eq!(lines[4], "| Transformer | - | 128 | skipped | - | - | - | - |");
        assert!(table.contains("- Transformer, 128 positions: out of memory"), "{table}");
        let columns = text(&rows());
        let lines: Vec<_> = columns.lines().take(4).map(|line| line.chars().count()).collect();
        assert!(lines.iter().all(|&length| length == lines[0]), "{columns}");
        assert_eq!(json(&rows())[2]["skipped"], "out of memory");
    }
}
