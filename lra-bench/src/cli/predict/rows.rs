//! Predictions as text.

use std::path::Path;

use anyhow::Result;
use datasets::shape::{Quantity, Target};
use program::names::shown;
use serde::{Serialize, Serializer};

use crate::csv_text::csv_text;
use crate::metrics::{highest, softmax};
use crate::number::brief;

/// How predictions are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Label, probability and file in columns, or values and file below their names.
    Text,
    /// With a heading, and a column a class or target.
    Csv,
    /// An object a line.
    Json,
}

/// A prediction.
pub(super) struct Row {
    /// What it is about.
    pub file: String,
    /// What the model says: logits of classes, or standardised values.
    pub outputs: Vec<f64>,
}

/// Writes rows, the heading before the first.
pub(super) struct Rows<'a> {
    form: Form,
    target: &'a Target,
    /// What is to be written first.
    heading: String,
}

#[derive(Serialize)]
struct Classified<'a> {
    file: &'a str,
    label: &'a str,
    probability: f64,
    probabilities: ByName<'a>,
}

#[derive(Serialize)]
struct Estimated<'a> {
    file: &'a str,
    values: ByName<'a>,
}

/// Numbers in the order of the classes or targets.
struct ByName<'a>(Vec<&'a str>, &'a [f64]);

impl Serialize for ByName<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().zip(self.1))
    }
}

impl<'a> Rows<'a> {
    /// Rows about this target.
    ///
    /// # Errors
    /// Never: the heading is written to memory.
    pub(super) fn new(form: Form, target: &'a Target) -> Result<Self> {
        let heading = match (form, target) {
            (Form::Csv, Target::Values(quantities)) => {
                csv_text([["file"].into_iter().chain(names(quantities))])?
            }
            (Form::Csv, _) => {
                let names = target.class_names().iter().map(String::as_str);
                csv_text([["file", "label", "probability"].into_iter().chain(names)])?
            }
            (Form::Text, Target::Values(quantities)) => {
                columns(quantities, names(quantities).map(str::to_owned), "file")
            }
            _ => String::new(),
        };
        Ok(Self { form, target, heading })
    }

    /// These rows, and the heading before the first of all.
    pub(super) fn render(&mut self, rows: &[Row]) -> Result<String> {
        let mut text = std::mem::take(&mut self.heading);
        for Row { file, outputs } in rows {
            text += &match self.target {
                Target::Values(quantities) => self.estimated(file, quantities, outputs)?,
                _ => self.classified(file, self.target.class_names(), &softmax(outputs))?,
            };
        }
        Ok(text)
    }

    fn classified(&self, file: &str, classes: &[String], probabilities: &[f64]) -> Result<String> {
        let best = highest(probabilities);
        let (label, probability) = (&*classes[best], probabilities[best]);
        Ok(match self.form {
            Form::Text => {
                let width = classes.iter().map(|name| name.chars().count()).max().unwrap_or(0);
                let percent = 100.0 * probability;
                format!("{label:<width$}  {percent:6.2}%  {}\n", shown(Path::new(file)))
            }
            Form::Csv => {
                let columns = [file.to_owned(), label.to_owned(), probability.to_string()];
                csv_text([columns.into_iter().chain(probabilities.iter().map(f64::to_string))])?
            }
            Form::Json => {
                let names = classes.iter().map(String::as_str).collect();
                let probabilities = ByName(names, probabilities);
                let object = Classified { file, label, probability, probabilities };
                format!("{}\n", serde_json::to_string(&object)?)
            }
        })
    }

    fn estimated(&self, file: &str, quantities: &[Quantity], outputs: &[f64]) -> Result<String> {
        let each = quantities.iter().zip(outputs);
        let values: Vec<f64> = each.map(|(quantity, &output)| quantity.undo(output)).collect();
        Ok(match self.form {
            Form::Text => {
                let values = values.into_iter().map(brief);
                columns(quantities, values, &shown(Path::new(file)))
            }
            Form::Csv => {
                csv_text([[file.to_owned()].into_iter().chain(values.iter().map(f64::to_string))])?
            }
            Form::Json => {
                let values = ByName(names(quantities).collect(), &values);
                format!("{}\n", serde_json::to_string(&Estimated { file, values })?)
            }
        })
    }
}

fn names(quantities: &[Quantity]) -> impl Iterator<Item = &str> {
    quantities.iter().map(|quantity| quantity.name.as_str())
}

/// A line with a cell for each of the quantities, as wide as their names or numbers are.
fn columns(quantities: &[Quantity], cells: impl Iterator<Item = String>, file: &str) -> String {
    /// Of a brief number.
    const WIDTH: usize = 11;
    let mut line = String::new();
    for (name, cell) in names(quantities).zip(cells) {
        let width = name.chars().count().max(WIDTH);
        line += &format!("{cell:>width$}  ");
    }
    format!("{line}{file}\n")
}
