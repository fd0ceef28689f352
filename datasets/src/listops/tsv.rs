//! The published files: `basic_train.tsv`, `basic_val.tsv` and `basic_test.tsv` in `listops-1000`.
//!
//! A heading, then an expression and its value a line, divided by a tab; lines end in CR LF.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use program::files;

use super::grammar::{self, VALUES};
use crate::formats::rows;

/// Folder of the files in the published archive.
pub const FOLDER: &str = "listops-1000";

/// Files for training, validation and test.
pub const FILES: [&str; 3] = ["basic_train.tsv", "basic_val.tsv", "basic_test.tsv"];

const HEADING: [&str; 2] = ["Source", "Target"];

/// Calls `each` with the tokens and the value of every expression of a file.
///
/// # Errors
/// If the file cannot be read or is not of this form, a line is cut off, or has a value that its
/// expression does not have; with the file's name and the line's number.
pub fn read(path: &Path, mut each: impl FnMut(&[u8], u8)) -> Result<()> {
    let mut line = 0;
    rows::for_each(path, |[source, target]: [&str; 2]| {
        line += 1;
        if line == 1 {
            ensure!(
                [source, target] == HEADING,
                "expected the heading Source, Target: the file is not one of ListOps"
            );
            return Ok(());
        }
        let value = target.parse().ok().filter(|value| *value < VALUES).with_context(|| {
            format!(
                "its value is `{}`, expected a digit",
                target.chars().take(20).collect::<String>()
            )
        })?;
        let tokens = grammar::parse(source)?;
        let found = grammar::evaluate(&tokens).context("the line holds no whole expression")?;
        ensure!(found == value, "its value is said to be {value}, but the expression's is {found}");
        each(&tokens, value);
        Ok(())
    })?;
    ensure!(line > 1, "{} holds no expression: fetch it again", path.display());
    Ok(())
}

/// Writes expressions as `listops-1000` in `dir` and returns that folder.
///
/// # Errors
/// If one of the files is there already, or cannot be written.
pub fn write(dir: &Path, parts: &[Vec<Vec<u8>>; 3]) -> Result<PathBuf> {
    let folder = dir.join(FOLDER);
    ensure_absent(dir)?;
    fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create the folder {}", folder.display()))?;
    // The largest last: it is missing where the others are not complete.
    for (name, expressions) in FILES.iter().zip(parts).rev() {
        let tokens: usize = expressions.iter().map(Vec::len).sum();
        // About 6.4 bytes a token in the published files.
        files::write_with(&folder.join(name), 13 * tokens as u64 / 2, |file| {
            write!(file, "{}\r\n", HEADING.join("\t"))?;
            for expression in expressions {
                let value = grammar::evaluate(expression).map_err(std::io::Error::other)?;
                write!(file, "{}\t{value}\r\n", grammar::text(expression))?;
            }
            Ok(())
        })?;
    }
    Ok(folder)
}

/// Refuses to write where there are files already.
///
/// # Errors
/// With the first that is there.
pub fn ensure_absent(dir: &Path) -> Result<()> {
    for name in FILES {
        let path = dir.join(FOLDER).join(name);
        ensure!(
            !path.exists(),
            "{} is there already: choose another folder, or delete it first",
            path.display()
        );
    }
    Ok(())
}
