//! Numbers that are asked for of files, in a CSV file: a heading `file,NAME,...`, and a row a file with
//! its path from the folder that the CSV file is about.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::path::{Component, Path};

use anyhow::{Context, Result, bail, ensure};
use csv::{ReaderBuilder, StringRecord, Trim};
use program::files::cannot;
use program::names::composed;

/// What such a file is called where nothing else is said.
pub const NAME: &str = "targets.csv";
/// The first column.
const FILE: &str = "file";

/// The targets of some files.
#[derive(Debug)]
pub struct Targets {
    /// Their names, in the order of the columns.
    pub names: Vec<String>,
    rows: BTreeMap<String, Row>,
}

/// The row of a file.
#[derive(Debug)]
pub struct Row {
    line: u64,
    /// The value of each target; or what is wrong with it, such as "line 3 has `x` for `length`".
    pub values: Result<Vec<f64>, String>,
}

impl Targets {
    /// Reads `path`: of its columns those that are `wanted`, in that order, or all.
    ///
    /// # Errors
    /// If it cannot be read, has no such heading, lacks a column, has rows of differing lengths or two
    /// for one file.
    pub fn read(path: &Path, wanted: Option<&[&str]>) -> Result<Self> {
        let bytes = fs::read(path).map_err(cannot("read", path))?;
        decode(&bytes, wanted).with_context(|| path.display().to_string())
    }

    /// The row of the file at `path`.
    pub fn row(&self, path: &Path) -> Option<&Row> {
        self.rows.get(&key(path))
    }

    /// The paths that rows are about, in normal form (NFC).
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.rows.keys().map(String::as_str)
    }
}

fn key(path: &Path) -> String {
    let parts = path.components().filter(|part| *part != Component::CurDir);
    composed(&parts.collect::<std::path::PathBuf>().to_string_lossy())
}

fn decode(bytes: &[u8], wanted: Option<&[&str]>) -> Result<Targets> {
    let text = str::from_utf8(bytes).context("it is no text in UTF-8")?;
    // The reader counts lines that end in LF alone.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    let mut options = ReaderBuilder::new();
    options.has_headers(false).flexible(true).trim(Trim::All);
    let mut reader = options.from_reader(text.as_bytes());
    let mut record = StringRecord::new();
    let mut read = |record: &mut StringRecord| {
        reader.read_record(record).context("it is no readable CSV file")
    };
    read(&mut record)?;
    let found = columns(&record)?;
    let cells = record.len();
    let columns: Vec<(usize, String)> = match wanted {
        None => found.into_iter().zip(1..).map(|(name, column)| (column, name)).collect(),
        Some(wanted) => {
            let column = |name: &&str| {
                let place = found.iter().position(|known| known == name);
                let place = place.with_context(|| {
                    format!("it has no target `{name}`; it has {}", found.join(", "))
                })?;
                Ok((place + 1, (*name).to_owned()))
            };
            wanted.iter().map(column).collect::<Result<_>>()?
        }
    };
    let mut rows = BTreeMap::new();
    while read(&mut record)? {
        let line = record.position().map_or(0, csv::Position::line);
        ensure!(
            record.len() == cells,
            "line {line} has {} cells, expected {cells}, as the heading has",
            record.len()
        );
        let value = |(column, name): &(usize, String)| match record[*column].parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(value),
            _ => {
                let cell: String = record[*column].chars().take(20).collect();
                Err(format!("line {line} has `{cell}` for `{name}`, expected a number"))
            }
        };
        let values = columns.iter().map(value).collect();
        match rows.entry(key(Path::new(&record[0]))) {
            Entry::Vacant(entry) => {
                entry.insert(Row { line, values });
            }
            Entry::Occupied(entry) => {
                let (file, first) = (entry.key(), entry.get().line);
                bail!("`{file}` has two rows, in lines {first} and {line}; keep one");
            }
        }
    }
    let names = columns.into_iter().map(|(_, name)| name).collect();
    Ok(Targets { names, rows })
}

/// The names of the targets in a heading.
fn columns(heading: &StringRecord) -> Result<Vec<String>> {
    let names: Vec<String> = heading.iter().skip(1).map(composed).collect();
    ensure!(
        heading.get(0) == Some(FILE) && !names.is_empty(),
        "it begins with `{}`, expected a heading `{FILE},NAME,...` with a name for each target; of \
         folders that are classes, say which these are with data.classes",
        heading.iter().collect::<Vec<_>>().join(",").chars().take(60).collect::<String>()
    );
    for (number, name) in names.iter().enumerate() {
        ensure!(!name.is_empty(), "the target in column {} has no name", number + 2);
        ensure!(
            name != FILE && !names[..number].contains(name),
            "two columns are called `{name}`; give each a name of its own"
        );
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values<'a>(targets: &'a Targets, path: &str) -> Option<Result<&'a [f64], &'a str>> {
        let row = targets.row(Path::new(path))?;
        Some(row.values.as_deref().map_err(String::as_str))
    }

    #[test]
    fn each_file_has_a_number_for_each_target() {
        let text =
            "\u{feff}file, a ,b\r\n./x.wav,1,-2e3\r\n\"sub/y, z.wav\",0.5,nan\r\ne\u{301}.wav,,1\n";
        let targets = decode(text.as_bytes(), None).unwrap();
        assert_eq!(targets.names, ["a", "b"]);
        assert_eq!(values(&targets, "x.wav"), Some(Ok(&[1.0, -2000.0][..])));
        let wrong = "line 3 has `nan` for `b`, expected a number";
        assert_eq!(values(&targets, "sub/y, z.wav"), Some(Err(wrong)));
        assert!(values(&targets, "\u{e9}.wav").unwrap().unwrap_err().contains("line 4 has ``"));
        assert_eq!(values(&targets, "y.wav"), None);
        let targets = decode(text.as_bytes(), Some(&["b"])).unwrap();
        assert_eq!(values(&targets, "x.wav"), Some(Ok(&[-2000.0][..])));
    }

    #[test]
    fn what_is_no_table_of_targets_is_told() {
        for (text, wanted, words) in [
            ("", None, "begins with ``, expected a heading `file,NAME,...`"),
            ("file\nx.wav\n", None, "expected a heading"),
            ("path,a\nx.wav,1\n", None, "begins with `path,a`"),
            ("file;a\nx.wav;1\n", None, "begins with `file;a`"),
            ("file,a,\n", None, "column 3 has no name"),
            ("file,a,a\n", None, "two columns are called `a`"),
            ("file,file\n", None, "two columns are called `file`"),
            ("file,a\nx.wav\n", None, "line 2 has 1 cells, expected 2"),
            ("file,a\nx.wav,1\n./x.wav,1\n", None, "`x.wav` has two rows, in lines 2 and 3"),
            ("file,a,b\n", Some(&["c"][..]), "no target `c`; it has a, b"),
        ] {
            let message = format!("{:#}", decode(text.as_bytes(), wanted).unwrap_err());
            assert!(message.contains(words), "`{words}` is not in: {message}");
        }
        assert!(decode(b"file,a\n\xff,1\n", None).is_err());
    }
}
