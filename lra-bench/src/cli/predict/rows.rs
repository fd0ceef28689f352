//! Predictions as text.

use std::path::Path;

use anyhow::Result;
use program::names::shown;
use serde::{Serialize, Serializer};

use crate::csv_text::csv_text;
use crate::metrics::highest;

/// How predictions are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Label, probability and file in columns.
    Text,
    /// With a heading, and a column a class.
    Csv,
    /// An object a line.
    Json,
}

/// A prediction.
pub(super) struct Row {
    /// What it is about.
    pub file: String,
    /// Of each class.
    pub probabilities: Vec<f64>,
}

/// Writes rows, the heading before the first.
pub(super) struct Rows<'a> {
    form: Form,
    classes: &'a [String],
    /// What is to be written first.
    heading: String,
}

#[derive(Serialize)]
struct Object<'a> {
    file: &'a str,
    label: &'a str,
    probability: f64,
    probabilities: ByClass<'a>,
}

/// Probabilities in the order of the classes.
struct ByClass<'a>(&'a [String], &'a [f64]);

impl Serialize for ByClass<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().zip(self.1))
    }
}

impl<'a> Rows<'a> {
    /// Rows about these classes.
    ///
    /// # Errors
    /// Never: the heading is written to memory.
    pub(super) fn new(form: Form, classes: &'a [String]) -> Result<Self> {
        let heading = match form {
            Form::Csv => {
                let names = classes.iter().map(String::as_str);
                csv_text([["file", "label", "probability"].into_iter().chain(names)])?
            }
            _ => String::new(),
        };
        Ok(Self { form, classes, heading })
    }

    /// These rows, and the heading before the first of all.
    pub(super) fn render(&mut self, rows: &[Row]) -> Result<String> {
        let mut text = std::mem::take(&mut self.heading);
        let width = self.classes.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        for Row { file, probabilities } in rows {
            let best = highest(probabilities);
            let (label, probability) = (&*self.classes[best], probabilities[best]);
            text += &match self.form {
                Form::Text => {
                    let percent = 100.0 * probability;
                    format!("{label:<width$}  {percent:6.2}%  {}\n", shown(Path::new(file)))
                }
                Form::Csv => {
                    let columns = [file.clone(), label.to_owned(), probability.to_string()];
                    let probabilities = probabilities.iter().map(f64::to_string);
                    csv_text([columns.into_iter().chain(probabilities)])?
                }
                Form::Json => {
                    let probabilities = ByClass(self.classes, probabilities);
                    let object = Object { file, label, probability, probabilities };
                    format!("{}\n", serde_json::to_string(&object)?)
                }
            };
        }
        Ok(text)
    }
}
