//! Text files as sequences of tokens, read when they are asked for.
//!
//! Tokens are the bytes of the text: of English its characters, and of any other language no
//! vocabulary to keep.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::batch::{Example, Label, Sequences};
use crate::split::Examples;

/// Tokens: padding, the end of the text, and the bytes.
pub const VOCABULARY: i64 = FIRST_BYTE + 256;

/// What shorter texts of a batch are filled up with.
pub const PADDING: f32 = 0.0;
const END: i64 = 1;
const FIRST_BYTE: i64 = 2;

/// Texts of one split.
#[derive(Debug)]
pub struct Texts {
    files: Vec<TextFile>,
    max_length: usize,
}

#[derive(Debug)]
struct TextFile {
    path: PathBuf,
    label: Label,
    /// Tokens, the end included.
    length: usize,
}

impl Texts {
    /// Files with their labels; at most `max_length` tokens are kept of each, of which the last is
    /// the end.
    ///
    /// # Errors
    /// If a file is not there.
    pub fn new(files: Vec<(PathBuf, Label)>, max_length: usize) -> Result<Self> {
        let file = |(path, label): (PathBuf, Label)| -> Result<TextFile> {
            let bytes = fs::metadata(&path).with_context(|| path.display().to_string())?.len();
            let length = usize::try_from(bytes)?.saturating_add(1).min(max_length);
            Ok(TextFile { path, label, length })
        };
        Ok(Self { files: files.into_iter().map(file).collect::<Result<_>>()?, max_length })
    }
}

/// Whether a file of this name is one that is read.
pub fn is_text_name(path: &Path) -> bool {
    path.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("txt"))
}

/// The tokens of a text, at most `max_length` with the end.
///
/// # Errors
/// If the text cannot be read.
pub fn tokens(text: impl Read, max_length: usize) -> std::io::Result<Sequences> {
    let mut bytes = Vec::new();
    text.take(max_length as u64 - 1).read_to_end(&mut bytes)?;
    let bytes = bytes.into_iter().map(|byte| FIRST_BYTE + i64::from(byte));
    Ok(Sequences::Tokens(bytes.chain([END]).collect()))
}

/// The text that tokens stand for.
pub fn text(tokens: &[i64]) -> String {
    let byte = |token: &i64| u8::try_from(token - FIRST_BYTE).ok();
    String::from_utf8_lossy(&tokens.iter().filter_map(byte).collect::<Vec<_>>()).into_owned()
}

impl Examples for Texts {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn example(&self, index: usize) -> Result<Example> {
        let file = &self.files[index];
        let sequence = File::open(&file.path).and_then(|text| tokens(text, self.max_length));
        let sequence = sequence.with_context(|| format!("cannot read {}", file.path.display()))?;
        Ok(Example { sequences: vec![sequence], label: file.label.clone() })
    }

    fn label(&self, index: usize) -> Result<Label> {
        Ok(self.files[index].label.clone())
    }

    fn name(&self, index: usize) -> Option<PathBuf> {
        Some(self.files[index].path.clone())
    }

    fn length(&self, index: usize) -> usize {
        self.files[index].length
    }

    fn padding(&self) -> Option<f32> {
        Some(PADDING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Labels;
    use crate::split::Split;

    #[test]
    fn texts_end_and_are_padded_and_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let files = vec![
            (path("a", "abc"), 5.into()),
            (path("b", ""), 6.into()),
            (path("c", "abcdefgh"), 7.into()),
        ];
        let texts = Split::new(Texts::new(files, 6).unwrap());
        let batch = texts.batch(&[0, 1, 2]).unwrap();
        let tokens = [[99, 100, 101, 1, 0, 0], [1, 0, 0, 0, 0, 0], [99, 100, 101, 102, 103, 1]];
        assert_eq!(batch.sequences, Sequences::Tokens(tokens.concat()));
        assert_eq!(batch.lengths, Some(vec![4, 1, 6]));
        assert_eq!(text(&tokens.concat()), "abcabcde");
        assert_eq!(batch.labels, Labels::Classes(vec![5, 6, 7]));
        assert_eq!([0, 1, 2].map(|i| texts.length(i)), [4, 1, 6]);
    }

    #[test]
    fn a_file_that_went_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        fs::write(&path, "text").unwrap();
        let texts = Texts::new(vec![(path.clone(), 0.into())], 9).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(format!("{:#}", texts.example(0).unwrap_err()).contains("a.txt"));
    }
}
