//! Tab-separated files without quoting, row by row, with errors that name the line.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use program::interrupt;
use program::output::note;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Calls `each` with the columns of every line of a file, which may end in CR LF. Of bytes that are
/// not UTF-8, replacement characters are made.
///
/// # Errors
/// If the file cannot be read, is empty, has a line of more or fewer than `N` columns, or `each`
/// fails; with the file's name and the line's number.
pub fn for_each<const N: usize>(
    path: &Path,
    each: impl FnMut([&str; N]) -> Result<()>,
) -> Result<()> {
    let name = path.display().to_string();
    let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
    for_each_in(BufReader::with_capacity(1 << 20, file), &name, each)
}

/// [`for_each`] of a file that is open, called `name`.
///
/// # Errors
/// As [`for_each`].
pub fn for_each_in<const N: usize>(
    mut file: impl BufRead,
    name: &str,
    mut each: impl FnMut([&str; N]) -> Result<()>,
) -> Result<()> {
    let mut line = Vec::new();
    for number in 1_usize.. {
        interrupt::check()?;
        line.clear();
        let place = || format!("{name}, line {number}");
        if file.read_until(b'\n', &mut line).with_context(place)? == 0 {
            ensure!(number > 1, "{name} is empty: fetch it again");
            break;
        }
        if !line.ends_with(b"\n") {
            note(format_args!("warning: {name} does not end with a line end; it may be cut off"));
        }
        let text = text(&line, number);
        let columns: Vec<&str> = text.split('\t').collect();
        let Ok(columns) = <[&str; N]>::try_from(&columns[..]) else {
            bail!(
                "{}: expected {N} columns divided by tabs, found {}: the file is cut off there or \
                 is another one; fetch it again",
                place(),
                columns.len()
            );
        };
        each(columns).with_context(place)?;
    }
    Ok(())
}

/// The text of line `number`, counted from 1, which may end in LF or CR LF. Of bytes that are not UTF-8,
/// replacement characters are made.
pub(crate) fn text(line: &[u8], number: usize) -> Cow<'_, str> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    // A byte order mark is no part of what a file begins with.
    let mark: &[u8] = if number == 1 { BYTE_ORDER_MARK } else { b"" };
    String::from_utf8_lossy(line.strip_prefix(mark).unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<[String; 2]>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tsv");
        fs::write(&path, bytes).unwrap();
        let mut rows = Vec::new();
        for_each(&path, |columns: [&str; 2]| {
            ensure!(columns[0] != "bad", "a bad row");
            rows.push(columns.map(str::to_owned));
            Ok(())
        })?;
        Ok(rows)
    }

    #[test]
    fn quotes_mean_nothing_and_lines_end_either_way() {
        let rows = read(b"a\t\"b\r\n\tc\xff\n'\td").unwrap();
        assert_eq!(rows, [["a", "\"b"], ["", "c\u{fffd}"], ["'", "d"]]);
        assert_eq!(read("\u{feff}a\tb\n\u{feff}c\td\n".as_bytes()).unwrap()[0], ["a", "b"]);
    }

    #[test]
    fn errors_name_the_line() {
        for (bytes, words) in [
            (&b""[..], "is empty"),
            (b"a\tb\nc", "a.tsv, line 2: expected 2 columns divided by tabs, found 1"),
            (b"a\tb\tc\n", "line 1: expected 2 columns divided by tabs, found 3"),
            (b"a\tb\n\nc\td\n", "line 2"),
            (b"a\tb\nbad\tb\n", "line 2: a bad row"),
        ] {
            let message = format!("{:#}", read(bytes).unwrap_err());
            assert!(message.contains(words), "{message}");
        }
    }
}
