//! Examples that flip: the model had them right, and after a change has them wrong.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use audio_data::wav_out::wav_bytes;
use datasets::listops::grammar;
use program::files;
use report::picture::png;
use serde::{Deserialize, Serialize};
use transformations::content::{Content, Picture, Series, Sound};

use crate::subject::{Item, Verdict};

/// The folder beside the results that holds what flipped.
const FOLDER: &str = "examples";
/// As many are kept of a slice, lowest number first.
pub const MOST: usize = 3;
/// Of a sound or series, seconds and values that are kept.
const SECONDS: usize = 2;
const VALUES: usize = 4000;

/// An example that flipped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flip {
    /// Its number.
    pub example: usize,
    /// As it was.
    pub before: Side,
    /// Changed.
    pub after: Side,
}

/// An example on one side of a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// What the model made of it.
    pub verdict: Verdict,
    /// Its file, from the folder of the results on: PNG, WAV, text, or CSV with a line a time.
    pub file: PathBuf,
    /// What it is, until it is in its file.
    #[serde(skip)]
    content: Option<Content>,
}

/// The first of the examples of `slice` that flipped, each before and after its change.
pub fn first<'a>(
    slice: &str,
    examples: impl Iterator<Item = [(&'a Item, &'a Verdict); 2]>,
) -> Vec<Flip> {
    let flipped = examples.filter(|[before, after]| is_right(before.1) && is_wrong(after.1));
    let name: String =
        slice.chars().map(|it| if it.is_alphanumeric() { it } else { '-' }).collect();
    let folder = Path::new(FOLDER).join(name);
    let side = |(item, verdict): (&Item, &Verdict), which: &str| Side {
        verdict: *verdict,
        file: folder.join(format!("{}-{which}.{}", item.index, extension(&item.content))),
        content: Some(beginning(&item.content)),
    };
    let flips = flipped.take(MOST).map(|[before, after]| Flip {
        example: before.0.index,
        before: side(before, "before"),
        after: side(after, "after"),
    });
    flips.collect()
}

fn is_right(verdict: &Verdict) -> bool {
    verdict.label.is_some() && verdict.label == verdict.predicted
}

fn is_wrong(verdict: &Verdict) -> bool {
    verdict.label.is_some() && verdict.label != verdict.predicted
}

impl Side {
    /// Writes its file below `folder`; nothing if it is there already.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let Some(content) = &self.content else { return Ok(()) };
        let file = folder.join(&self.file);
        files::create_folder(file.parent().unwrap_or(folder))?;
        files::write(&file, &bytes(content)?)
    }

    /// The bytes of its file below `folder`.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(&self, folder: &Path) -> Result<Vec<u8>> {
        let file = folder.join(&self.file);
        fs::read(&file).map_err(files::cannot("read", &file))
    }
}

fn extension(content: &Content) -> &'static str {
    match content {
        Content::Picture(_) => "png",
        Content::Sound(_) => "wav",
        Content::Text(_) | Content::Expression(_) => "txt",
        Content::Series(_) => "csv",
    }
}

fn beginning(content: &Content) -> Content {
    match content {
        Content::Sound(sound) => {
            sound.of(sound.samples.iter().copied().take(SECONDS * sound.rate as usize)).into()
        }
        Content::Series(Series { values, features }) => {
            let values = values.iter().copied().take(VALUES * features).collect();
            Series { values, features: *features }.into()
        }
        _ => content.clone(),
    }
}

fn bytes(content: &Content) -> Result<Vec<u8>> {
    match content {
        Content::Picture(picture) => png(picture.width, picture.height(), &rgb(picture)),
        Content::Sound(Sound { rate, samples }) => wav_bytes(samples, *rate),
        Content::Text(text) => Ok(text.clone().into_bytes()),
        Content::Expression(expression) => Ok(grammar::text(&expression.tokens()).into_bytes()),
        Content::Series(Series { values, features }) => {
            let mut csv = csv::Writer::from_writer(Vec::new());
            for time in values.chunks(*features) {
                csv.write_record(time.iter().map(f32::to_string))?;
            }
            csv.into_inner().context("a series as CSV")
        }
    }
}

/// Red, green and blue of every pixel.
fn rgb(picture: &Picture) -> Vec<u8> {
    let bytes = picture.bytes();
    match picture.colours {
        1 => bytes.iter().flat_map(|&grey| [grey; 3]).collect(),
        _ => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(label: usize, predicted: usize) -> Verdict {
        let value = f64::from(u8::from(label == predicted));
        Verdict { value, label: Some(label), predicted: Some(predicted), confidence: 0.5 }
    }

    #[test]
    fn what_was_right_and_is_wrong_flips() {
        let items: Vec<Item> = (0..9)
            .map(|index| Item { index, content: format!("{index}").into(), label: 0.into() })
            .collect();
        let (right, wrong) = (verdict(0, 0), verdict(0, 1));
        let before = |index: usize| if index == 2 { &wrong } else { &right };
        let after = |index: usize| if index < 4 { &wrong } else { &right };
        let each = items.iter().map(|it| [(it, before(it.index)), (it, after(it.index))]);
        let flips = first("transformation/a, told/3", each);
        let numbers: Vec<usize> = flips.iter().map(|flip| flip.example).collect();
        assert_eq!(numbers, [0, 1, 3]);
        assert_eq!(flips[2].after.file, Path::new("examples/transformation-a--told-3/3-after.txt"));

        let folder = tempfile::tempdir().unwrap();
        flips[2].after.write(folder.path()).unwrap();
        let json = serde_json::to_string(&flips[2].after).unwrap();
        let side: Side = serde_json::from_str(&json).unwrap();
        assert_eq!(side.read(folder.path()).unwrap(), b"3");
    }

    #[test]
    fn every_content_has_a_file() {
        let picture = Picture { width: 2, colours: 1, values: vec![0.0, 1.0, 0.5, 0.0] };
        assert!(bytes(&picture.into()).unwrap().starts_with(b"\x89PNG"));
        let sound = Sound { rate: 8000, samples: vec![0.0; 80_000] };
        assert_eq!(bytes(&beginning(&sound.into())).unwrap().len(), 44 + 2 * 16_000);
        let series = Series { values: vec![1.0, 0.5, -2.0, 0.0], features: 2 };
        assert_eq!(bytes(&series.into()).unwrap(), b"1,0.5\n-2,0\n");
    }
}
