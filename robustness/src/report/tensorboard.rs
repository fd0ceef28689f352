//! A report as event files of TensorBoard.

use std::path::Path;

use anyhow::Result;
use program::files;
use training::tensorboard::EventWriter;

use super::{Report, curves, markdown, names};
use crate::results::Results;

/// Writes `results` below `folder`, a folder a model where there are several: the figure of each slice as
/// `robustness/IDIOM/NAME`, whose step is the severity, and the table as text.
///
/// # Errors
/// If they cannot be written.
pub fn write(results: &[Results], folder: &Path) -> Result<()> {
    for (name, one) in names(results).iter().zip(results) {
        let folder = if results.len() > 1 { folder.join(name) } else { folder.to_owned() };
        files::create_folder(&folder)?;
        let mut writer = EventWriter::create(&folder, 0)?;
        for (tag, step, value) in scalars(one) {
            writer.scalar(step, &tag, value)?;
        }
        let table = markdown::table(&Report::new(std::slice::from_ref(one))?);
        writer.text(0, "robustness/slices", &table)?;
        writer.flush()?;
    }
    Ok(())
}

/// Tag, step and value of every slice that has a figure.
fn scalars(results: &Results) -> Vec<(String, u64, f64)> {
    let mut scalars: Vec<(String, u64, f64)> = Vec::new();
    for row in &results.rows {
        let (idiom, name) = (row.slice.idiom, &row.slice.name);
        let tag = format!("robustness/{idiom}/{name}").replace(' ', "-");
        match row.slice.severity {
            None => scalars.extend(row.score.map(|score| (tag, 0, score.value))),
            Some(_) if scalars.iter().any(|(other, _, _)| *other == tag) => {}
            Some(_) => {
                let points = curves::over_severity(results, idiom, name).into_iter();
                let each =
                    points.map(|(severity, it)| (tag.clone(), u64::from(severity), it.value));
                scalars.extend(each);
            }
        }
    }
    scalars
}
