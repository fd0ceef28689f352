//! Series with a number to be told of each, in the `.ts` files of the Monash archive (Tan et al. 2020).

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use program::files::cannot;

use super::array::Array;
use super::number::finite;

/// A series and what is to be told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// (L, channels).
    pub series: Array,
    /// The number.
    pub target: f64,
}

/// Reads a file: lines that begin with `#` or `@`, `@data`, then a case a line: channels divided by colons,
/// their values by commas, and the target after the last colon. A value that is missing (`?`) takes the one
/// before it, or 0 at the beginning; the number of these is returned.
///
/// # Errors
/// If it cannot be read, or has no case, time stamps, channels of differing lengths or what is no number;
/// with the line.
pub fn read(path: &Path) -> Result<(Vec<Case>, usize)> {
    let file = File::open(path).map_err(cannot("read", path))?;
    decode(BufReader::with_capacity(1 << 20, file)).with_context(|| path.display().to_string())
}

fn decode(file: impl BufRead) -> Result<(Vec<Case>, usize)> {
    let (mut cases, mut missing, mut is_data) = (Vec::new(), 0, false);
    for (number, line) in file.lines().enumerate() {
        let line = line.with_context(|| format!("line {}", number + 1))?;
        let line = line.trim();
        let place = || format!("line {}", number + 1);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(setting) = line.strip_prefix('@') {
            let setting = setting.to_ascii_lowercase();
            is_data |= setting == "data";
            ensure!(
                setting.split_whitespace().collect::<Vec<_>>() != ["timestamps", "true"],
                "{}: series with time stamps are not read",
                place()
            );
            continue;
        }
        ensure!(is_data, "{}: a series before @data; it is no .ts file", place());
        cases.push(case(line, &mut missing).with_context(place)?);
    }
    ensure!(!cases.is_empty(), "it has no series");
    Ok((cases, missing))
}

fn case(line: &str, missing: &mut usize) -> Result<Case> {
    let (channels, target) =
        line.rsplit_once(':').context("expected channels and a target divided by colons")?;
    let number = |text: &str| finite(text.trim());
    let mut columns: Vec<Vec<f64>> = Vec::new();
    for channel in channels.split(':') {
        let mut column = Vec::new();
        for value in channel.split(',') {
            let is_missing = matches!(value.trim(), "?" | "NaN" | "nan");
            *missing += usize::from(is_missing);
            let before = column.last().copied().unwrap_or(0.0);
            column.push(if is_missing { before } else { number(value)? });
        }
        columns.push(column);
    }
    let length = columns[0].len();
    if let Some(other) = columns.iter().find(|column| column.len() != length) {
        bail!("channels of {length} and of {} values in one series", other.len());
    }
    let values = (0..length).flat_map(|at| columns.iter().map(move |column| column[at])).collect();
    let series = Array { values, features: columns.len() };
    Ok(Case { series, target: number(target).context("the target")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_stand_beside_each_other() {
        let text = "# about\n@problemName A\n@timeStamps false\n@targetlabel true\n@data\n\
                    1,2,?:10,20,30:97.5\n\n4,5,6:?,50,60:98\n";
        let (cases, missing) = decode(text.as_bytes()).unwrap();
        assert_eq!((cases.len(), missing), (2, 2));
        assert_eq!(cases[0].series.values, [1.0, 10.0, 2.0, 20.0, 2.0, 30.0]);
        assert_eq!((cases[1].series.features, cases[1].target), (2, 98.0));
        assert_eq!(cases[1].series.values[..2], [4.0, 0.0]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, words) in [
            ("", "has no series"),
            ("1,2:3\n", "line 1: a series before @data"),
            ("@data\n1,2\n", "line 2: expected channels"),
            ("@data\n1,2:1:3\n", "line 2: channels of 2 and of 1 values"),
            ("@data\n1,x:3\n", "`x` is no number"),
            ("@data\n1,2:?\n", "the target: `?` is no number"),
            ("@timestamps true\n@data\n", "line 1: series with time stamps"),
        ] {
            let error = format!("{:#}", decode(text.as_bytes()).unwrap_err());
            assert!(error.contains(words), "{error}");
        }
    }
}
