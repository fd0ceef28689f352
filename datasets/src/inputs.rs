//! Inputs from outside a task's data, prepared as the data was that a model was trained on.

use std::fs;
use std::io::BufRead;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail, ensure};
use program::files;

use crate::batch::Sequences;
use crate::examples::images::Colour;
use crate::examples::pictures::{self, is_picture_name};
use crate::formats::{idx, rows};
use crate::shape::Shape;

/// How files, or lines of text, become inputs of a model.
pub struct Inputs {
    /// What goes in and what is asked for.
    pub shape: Shape,
    /// What the shorter sequences of a batch are filled up with; `None` where all are of one length.
    pub padding: Option<f32>,
    /// What is read, a plural: "pictures of 28 x 28 pixels".
    pub about: String,
    /// Whether a file in a folder is one of them, by its name.
    pub takes: fn(&Path) -> bool,
    /// Reads a file; `None` where each of its lines is an input.
    pub file: Option<ReadFile>,
    /// Reads a line of text; `None` where a line is no input.
    pub line: Option<ReadLine>,
}

/// The inputs in a file: most have one.
pub type ReadFile = Box<dyn Fn(&Path) -> Result<Vec<Sequences>> + Send + Sync>;
/// The sequence that a line is, or the two that are compared.
pub type ReadLine = Box<dyn Fn(&str) -> Result<Vec<Sequences>> + Send + Sync>;

/// An input.
#[derive(Debug)]
pub struct Input {
    /// Where it is in its file: nowhere in particular, `:3` in line 3, `[7]` after seven others.
    pub place: String,
    /// Its sequence, or the two that are compared; or what is wrong with it.
    pub sequences: Result<Vec<Sequences>>,
}

impl Inputs {
    /// Pictures of `size`, width and height, of which `sequence` takes the pixels row by row: PNG or
    /// JPEG, and of grey ones IDX files of any number.
    pub(crate) fn pictures(
        shape: Shape,
        size: (u32, u32),
        colour: Colour,
        sequence: impl Fn(&[u8]) -> Sequences + Send + Sync + 'static,
    ) -> Self {
        let read = move |path: &Path| -> Result<Vec<Sequences>> {
            let bytes = fs::read(path).map_err(files::cannot("read", path))?;
            if colour == Colour::Grey && idx::is_idx(&bytes) {
                let images = idx::decode(&bytes)?;
                let [_, height, width] = images.dims[..] else {
                    bail!("it holds arrays of {:?}, expected images", images.dims);
                };
                ensure_size((width as u32, height as u32), size)?;
                return Ok(images.bytes.chunks(width * height).map(&sequence).collect());
            }
            let (found, pixels) = pictures::decode(&bytes, colour)?;
            ensure_size(found, size)?;
            Ok(vec![sequence(&pixels)])
        };
        Self {
            shape,
            padding: None,
            about: format!("pictures of {} x {} pixels", size.0, size.1),
            takes: |path| is_picture_name(path) || idx::is_image_name(path),
            file: Some(Box::new(read)),
            line: None,
        }
    }

    /// All inputs of a file.
    ///
    /// # Errors
    /// If it cannot be read. Of a file that is read line by line, each line may have an error of its
    /// own.
    pub fn read(&self, path: &Path) -> Result<Vec<Input>> {
        let Some(read) = &self.file else {
            let bytes = fs::read(path).map_err(files::cannot("read", path))?;
            return self.lines(&bytes[..]).collect();
        };
        let inputs = read(path)?;
        let is_one = inputs.len() == 1;
        let input = |(number, sequence)| Input {
            place: if is_one { String::new() } else { format!("[{number}]") },
            sequences: Ok(vec![sequence]),
        };
        Ok(inputs.into_iter().enumerate().map(input).collect())
    }

    /// The inputs of a text, a line each; empty lines are none. An error ends it: the text cannot be
    /// read any further.
    pub fn lines(&self, mut text: impl BufRead) -> impl Iterator<Item = Result<Input>> {
        let mut line = Vec::new();
        let mut number = 0;
        std::iter::from_fn(move || {
            loop {
                line.clear();
                number += 1;
                match text.read_until(b'\n', &mut line) {
                    Err(error) => return Some(Err(error).context("cannot read it")),
                    Ok(0) => return None,
                    Ok(_) => {}
                }
                let text = rows::text(&line, number);
                if text.trim().is_empty() {
                    continue;
                }
                let sequences = match &self.line {
                    Some(read) => read(&text),
                    None => Err(anyhow!("a line of text is none of the {}", self.about)),
                };
                return Some(Ok(Input { place: format!(":{number}"), sequences }));
            }
        })
    }
}

fn ensure_size(found: (u32, u32), expected: (u32, u32)) -> Result<()> {
    ensure!(
        found == expected,
        "it has {} x {} pixels, expected {} x {}, as the model was trained on; scale or crop it",
        found.0,
        found.1,
        expected.0,
        expected.1
    );
    Ok(())
}

/// What a run's settings must say, for inputs to be read as its data was.
///
/// # Errors
/// If they do not.
pub(crate) fn decided<T>(setting: Option<T>, key: &str, example: &str) -> Result<T> {
    setting.with_context(|| {
        format!(
            "the run does not say data.{key}, without which nothing can be read as its data was: it \
             is from before runs kept that. Add a line like `{key} = {example}` below [data] in its \
             config.toml"
        )
    })
}
