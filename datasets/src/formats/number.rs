//! Numbers in text files.

use anyhow::{Context, Result, ensure};

/// The finite number that `text` is.
///
/// # Errors
/// If it is none; the message quotes its beginning.
pub fn finite(text: &str) -> Result<f64> {
    let found: String = text.chars().take(20).collect();
    let value: f64 = text.parse().with_context(|| format!("`{found}` is no number"))?;
    ensure!(value.is_finite(), "`{found}` is not finite");
    Ok(value)
}
