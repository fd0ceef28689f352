//! Sequences of real numbers in files: arrays of NumPy (`.npy`, `.npz`) and comma-separated values.

use std::fs;
use std::io::{Cursor, Read};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use csv::{ReaderBuilder, StringRecord, Trim};
use npyz::npz::NpzArchive;
use npyz::{NpyFile, Order};
use program::files::cannot;

/// More than any sequence has; guards against a header that makes things up.
const MAX_VALUES: u64 = 1 << 30;

/// A sequence of real numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// (L, features), features fastest: all are finite, and there is one at least.
    pub values: Vec<f64>,
    /// Values per position.
    pub features: usize,
}

impl Array {
    /// Positions, L.
    pub fn length(&self) -> usize {
        self.values.len() / self.features
    }
}

/// Whether a file of this name is one that is read.
pub fn is_array_name(path: &Path) -> bool {
    let suffix = path.extension().unwrap_or_default().to_ascii_lowercase();
    ["npy", "npz", "csv"].iter().any(|known| suffix == *known)
}

/// Reads a file.
///
/// # Errors
/// As [`decode`], or if the file cannot be read.
pub fn read(path: &Path) -> Result<Array> {
    decode(&fs::read(path).map_err(cannot("read", path))?)
}

/// The array in the bytes of a file, whose content decides what it is: an array (L) or (L, features)
/// of integers or floats, the only one of an `.npz`, or comma-separated columns, one a feature, with a
/// heading or without.
///
/// # Errors
/// If it is none of these, is damaged or empty, or has a value that is not finite.
pub fn decode(bytes: &[u8]) -> Result<Array> {
    let array = if bytes.starts_with(b"\x93NUMPY") {
        of_npy(NpyFile::new(bytes).context(DAMAGED)?)?
    } else if bytes.starts_with(b"PK\x03\x04") {
        of_npz(bytes)?
    } else {
        of_csv(bytes)?
    };
    ensure!(!array.values.is_empty(), "it holds no values");
    if let Some(at) = array.values.iter().position(|value| !value.is_finite()) {
        let (position, feature) = (at / array.features, at % array.features);
        bail!("it is {} at position {position}, feature {feature}, from 0", array.values[at]);
    }
    Ok(array)
}

const DAMAGED: &str = "it is no readable array of NumPy: it is damaged or ends too early";

fn of_npz(bytes: &[u8]) -> Result<Array> {
    let mut archive = NpzArchive::new(Cursor::new(bytes)).context(DAMAGED)?;
    let names: Vec<String> = archive.array_names().map(str::to_owned).collect();
    let [name] = &names[..] else {
        bail!("it holds {} arrays ({}); keep one in a file", names.len(), names.join(", "));
    };
    of_npy(archive.by_name(name).context(DAMAGED)?.context(DAMAGED)?)
}

fn of_npy<R: Read>(npy: NpyFile<R>) -> Result<Array> {
    let (shape, order) = (npy.shape().to_vec(), npy.order());
    let (length, features) = match shape[..] {
        [length] => (length, 1),
        [length, features] => (length, features),
        _ => bail!("its shape is {shape:?}, expected (L) or (L, features)"),
    };
    ensure!(
        features > 0 && length.checked_mul(features).is_some_and(|count| count <= MAX_VALUES),
        "its header claims {length} x {features} values"
    );
    let values = numbers(npy)?;
    let (length, features) = (length as usize, features as usize);
    let values = match order {
        Order::C => values,
        Order::Fortran => {
            (0..values.len()).map(|at| values[at % features * length + at / features]).collect()
        }
    };
    Ok(Array { values, features })
}

fn numbers<R: Read>(npy: NpyFile<R>) -> Result<Vec<f64>> {
    macro_rules! try_kinds {
        ($npy:expr, $($kind:ty)*) => {{
            let npy = $npy;
            $(let npy = match npy.try_data::<$kind>() {
                Ok(data) => {
                    let values = data.map(|value| Ok(value.context(DAMAGED)? as f64));
                    return values.collect();
                }
                Err(npy) => npy,
            };)*
            npy
        }};
    }
    let other = try_kinds!(npy, f64 f32 i64 i32 i16 i8 u64 u32 u16 u8);
    bail!("its elements are {}, expected integers or floats", other.dtype().descr())
}

fn of_csv(bytes: &[u8]) -> Result<Array> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let mut reader = ReaderBuilder::new().has_headers(false).trim(Trim::All).from_reader(bytes);
    let (mut values, mut features) = (Vec::new(), 0);
    let mut record = StringRecord::new();
    let is_number = |field: &str| field.parse::<f64>().is_ok();
    let mut is_first = true;
    while reader.read_record(&mut record).context("it is no readable CSV file")? {
        let is_heading = is_first && !record.iter().any(is_number);
        is_first = false;
        if is_heading {
            continue;
        }
        features = record.len();
        let line = record.position().map_or(0, csv::Position::line);
        for field in &record {
            values.push(field.parse().with_context(|| {
                let field: String = field.chars().take(20).collect();
                format!("line {line} has `{field}`, expected numbers divided by commas")
            })?);
        }
    }
    Ok(Array { values, features })
}

#[cfg(test)]
mod tests {
    use npyz::WriterBuilder;

    use super::*;

    fn npy<T: npyz::AutoSerialize + Copy>(shape: &[u64], order: Order, values: &[T]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let options = npyz::WriteOptions::new().default_dtype().shape(shape).order(order);
        let mut writer = options.writer(&mut bytes).begin_nd().unwrap();
        writer.extend(values.iter().copied()).unwrap();
        writer.finish().unwrap();
        bytes
    }

    fn array(values: &[f64], features: usize) -> Array {
        Array { values: values.to_vec(), features }
    }

    #[test]
    fn arrays_of_any_kind_are_sequences_of_features() {
        let rows = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        assert_eq!(decode(&npy(&[6], Order::C, &rows)).unwrap(), array(&rows, 1));
        assert_eq!(decode(&npy(&[3, 2], Order::C, &rows)).unwrap(), array(&rows, 2));
        let columns = [1.0f32, 3.0, 5.0, 2.0, 4.0, 6.0];
        assert_eq!(decode(&npy(&[3, 2], Order::Fortran, &columns)).unwrap(), array(&rows, 2));
        assert_eq!(decode(&npy(&[2], Order::C, &[-3i16, 7])).unwrap(), array(&[-3.0, 7.0], 1));
        assert_eq!(decode(&npy(&[2], Order::C, &[3u8, 255])).unwrap(), array(&[3.0, 255.0], 1));
        let text = "\u{feff}time, value\r\n1,2\r\n3.5, -4e2\r\n";
        assert_eq!(decode(text.as_bytes()).unwrap(), array(&[1.0, 2.0, 3.5, -400.0], 2));
        assert_eq!(decode(b"1\n2\n").unwrap(), array(&[1.0, 2.0], 1));
    }

    #[test]
    fn what_is_no_sequence_is_told() {
        let whole = npy(&[6], Order::C, &[1.0; 6]);
        for (bytes, words) in [
            (&whole[..whole.len() - 1], "ends too early"),
            (&whole[..20], "ends too early"),
            (b"PK\x03\x04", "damaged"),
            (&npy(&[1, 2, 3], Order::C, &[1.0; 6]), "[1, 2, 3], expected (L) or (L, features)"),
            (&npy(&[0], Order::C, &[0.0; 0]), "no values"),
            (&npy(&[2, 2], Order::C, &[1.0, 2.0, 3.0, f64::NAN]), "position 1, feature 1"),
            (&npy(&[1], Order::C, &[true]), "expected integers or floats"),
            (b"", "no values"),
            (b"a,b\n", "no values"),
            (b"a,b\n1,2\n3\n", "no readable CSV"),
            (b"1,2\n3,four\n", "line 2 has `four`"),
            (b"1,2\n3,inf\n", "position 1, feature 1"),
        ] {
            let message = format!("{:#}", decode(bytes).unwrap_err());
            assert!(message.contains(words), "`{words}` is not in: {message}");
        }
    }
}
