//! Comma-separated values in memory.

use anyhow::Result;

/// Records as text, a line each; what has commas, quotes or line breaks is quoted.
///
/// # Errors
/// If records differ in their number of fields.
pub fn csv_text<R: IntoIterator<Item: AsRef<[u8]>>>(
    records: impl IntoIterator<Item = R>,
) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    records.into_iter().try_for_each(|record| writer.write_record(record))?;
    Ok(String::from_utf8(writer.into_inner()?)?)
}
