//! What else is known of examples, from a CSV file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::subpopulation::Value;

/// A table with a row an example.
#[derive(Debug)]
pub struct Metadata {
    path: PathBuf,
    columns: Vec<String>,
    /// By the number of the example, or the name of its file.
    rows: HashMap<String, Vec<String>>,
}

/// Columns that say which example a row is about.
const KEYS: [&str; 2] = ["example", "file"];

impl Metadata {
    /// The table in a CSV file with a header.
    ///
    /// # Errors
    /// If it cannot be read, or has neither a column `example` nor `file`.
    pub fn read(path: &Path) -> Result<Self> {
        let name = || format!("the metadata {}", path.display());
        let mut reader = csv::Reader::from_path(path).with_context(name)?;
        let columns: Vec<String> =
            reader.headers().with_context(name)?.iter().map(str::to_owned).collect();
        let Some(key) = columns.iter().position(|column| KEYS.contains(&column.as_str())) else {
            bail!("{} has no column `example` or `file`; it has {}", name(), columns.join(", "));
        };
        let mut rows = HashMap::new();
        for record in reader.records() {
            let record: Vec<String> =
                record.with_context(name)?.iter().map(str::to_owned).collect();
            rows.insert(record[key].clone(), record);
        }
        Ok(Self { path: path.to_owned(), columns, rows })
    }

    /// What `column` has for an example: a number where it is one. `None` without a row or with nothing in it.
    ///
    /// # Errors
    /// If there is no such column.
    pub fn value(
        &self,
        column: &str,
        example: usize,
        file: Option<PathBuf>,
    ) -> Result<Option<Value>> {
        let Some(place) = self.columns.iter().position(|name| name == column) else {
            bail!(
                "the metadata {} has no column `{column}`; it has {}",
                self.path.display(),
                self.columns.join(", ")
            );
        };
        let by_name = || {
            let file = file?;
            let whole = self.rows.get(&*file.to_string_lossy());
            whole.or_else(|| self.rows.get(&*file.file_name()?.to_string_lossy()))
        };
        let row = self.rows.get(&example.to_string()).or_else(by_name);
        let text = row.and_then(|row| row.get(place)).filter(|text| !text.is_empty());
        Ok(text.map(|text| match text.parse() {
            Ok(number) => Value::Number(number),
            Err(_) => Value::Name(text.clone()),
        }))
    }
}
