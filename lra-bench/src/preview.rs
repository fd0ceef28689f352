//! What is seen, heard and read of a classifier while it trains: a few examples of the validation split
//! with their labels and what they are taken for, the same ones at every evaluation.

mod tile;

use std::fmt::Write;

use anyhow::Result;
use audio_data::wav_out::wav_bytes;
use datasets::batch::{Example, Sequences};
use datasets::medium::Medium;
use datasets::split::Split;
use training::canvas::{BLACK, Canvas, GREY, LETTER, LINE, RIGHT, WRONG, shortened};
use training::show::{Show, Sound};

use self::tile::GAP;
use crate::metrics::Prediction;
use crate::metrics::confusion::Confusion;

/// How many examples are shown.
const SHOWN: usize = 8;
/// Letters of a text.
const EXCERPT: usize = 400;
/// Seconds of a recording.
const SECONDS: usize = 10;

/// Examples to be shown with what they are taken for.
#[derive(Debug)]
pub struct Preview {
    medium: Medium,
    classes: Vec<String>,
    examples: Vec<Shown>,
    /// Recordings stay the same: they are heard once.
    heard: bool,
}

#[derive(Debug)]
struct Shown {
    /// Which example of the split it is.
    index: usize,
    /// Its file, or its number.
    name: String,
    example: Example,
}

impl Preview {
    /// Examples of `split` at equal distances.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn new(medium: Medium, classes: &[String], split: &Split) -> Result<Self> {
        let count = split.len().min(SHOWN);
        let shown = |number: usize| -> Result<_> {
            let index = number * split.len() / count;
            let file = split.name(index);
            let file = file.as_deref().and_then(|file| file.file_name()?.to_str());
            let name = file.map_or_else(|| index.to_string(), str::to_owned);
            Ok(Shown { index, name, example: split.example(index)? })
        };
        let examples = (0..count).map(shown).collect::<Result<_>>()?;
        Ok(Self { medium, classes: classes.to_vec(), examples, heard: false })
    }

    /// Shows the examples, and the confusion matrix of all of the split's `predictions`.
    ///
    /// # Errors
    /// If something cannot be shown.
    pub fn show(&mut self, predictions: &[Prediction], show: &mut dyn Show) -> Result<()> {
        let confusion = Confusion::new(predictions, self.classes.len());
        show.picture("confusion", &confusion.picture(&self.classes).to_tensor())?;
        let found = self.examples.iter().filter_map(|shown| predictions.get(shown.index));
        let found: Vec<&Prediction> = found.collect();
        show.text("predictions/table", &self.table(&found))?;
        if let Some(sheet) = self.sheet(&found) {
            show.picture("predictions/sheet", &sheet.to_tensor())?;
        }
        if !std::mem::replace(&mut self.heard, true) {
            self.sounds(show)?;
        }
        Ok(())
    }

    /// The predictions as Markdown.
    fn table(&self, predictions: &[&Prediction]) -> String {
        let mut table = "| example | label | guess | probability |".to_owned();
        let is_text = matches!(self.medium, Medium::Text(_));
        table += if is_text { " text |\n|---|---|---|---|---|\n" } else { "\n|---|---|---|---|\n" };
        for (number, (shown, prediction)) in self.examples.iter().zip(predictions).enumerate() {
            let [label, guess] =
                [prediction.label, prediction.predicted].map(|class| self.name(class));
            let guess = escaped(guess);
            let guess = if prediction.is_correct() { guess } else { format!("**{guess}**") };
            let percent = 100.0 * prediction.confidence;
            let (name, label) = (escaped(&shown.name), escaped(label));
            let _ = write!(table, "| {number}: {name} | {label} | {guess} | {percent:.1}% |");
            if let Medium::Text(spell) = &self.medium {
                let texts = shown.example.sequences.iter().filter_map(|sequence| match sequence {
                    Sequences::Tokens(tokens) => Some(escaped(&excerpt(&spell(tokens)))),
                    _ => None,
                });
                let _ = write!(table, " {} |", texts.collect::<Vec<_>>().join("<br><br>"));
            }
            table.push('\n');
        }
        table
    }

    /// The examples as pictures with their predictions; none of texts.
    fn sheet(&self, predictions: &[&Prediction]) -> Option<Canvas> {
        let tiles: Vec<_> =
            self.examples.iter().map(|shown| tile::of(&self.medium, &shown.example)).collect();
        let tiles = tiles.into_iter().collect::<Option<Vec<_>>>()?;
        let width = tiles.iter().map(Canvas::width).max()?;
        let height = tiles.iter().map(Canvas::height).max()? + 2 * LINE;
        let columns = ((tile::WIDTH + GAP) / (width + GAP)).clamp(1, tiles.len());
        let letters = width / LETTER;
        let mut sheet = Canvas::new(
            tile::WIDTH + 2 * GAP,
            tiles.len().div_ceil(columns) * (height + GAP) + GAP + LINE,
        );
        sheet.text(GAP, GAP / 2, &shortened("label, guess", letters * columns), GREY);
        for (number, (tile, prediction)) in tiles.iter().zip(predictions).enumerate() {
            let x = GAP + number % columns * (width + GAP);
            let y = GAP + LINE + number / columns * (height + GAP);
            sheet.text(x, y, &shortened(self.name(prediction.label), letters), BLACK);
            let percent = format!(" {:.0}%", 100.0 * prediction.confidence);
            let guess = self.name(prediction.predicted);
            let guess = shortened(guess, letters.saturating_sub(percent.len())) + &percent;
            let colour = if prediction.is_correct() { RIGHT } else { WRONG };
            sheet.text(x, y + LINE, &guess, colour);
            sheet.put(x, y + 2 * LINE, tile);
        }
        Some(sheet)
    }

    fn sounds(&self, show: &mut dyn Show) -> Result<()> {
        let &Medium::Sound { rate, scale } = &self.medium else { return Ok(()) };
        for (number, shown) in self.examples.iter().enumerate() {
            let samples = tile::samples(&shown.example, scale);
            let samples = &samples[..samples.len().min(SECONDS * rate as usize)];
            let wav = wav_bytes(samples, rate)?;
            let sound = Sound { wav, rate, channels: 1, frames: samples.len() };
            show.sound(&format!("audio/real/{number}"), &sound)?;
        }
        Ok(())
    }

    fn name(&self, class: usize) -> &str {
        self.classes.get(class).map_or("?", String::as_str)
    }
}

/// The beginning of a text.
fn excerpt(text: &str) -> String {
    let mut excerpt: String = text.chars().take(EXCERPT).collect();
    if excerpt.len() < text.len() {
        excerpt += " …";
    }
    excerpt
}

/// `text` as it is in a cell of a Markdown table, with nothing that has a meaning there.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            ' ' => escaped.push(' '),
            c if c.is_whitespace() || c.is_control() => escaped.push(' '),
            c if c.is_ascii_punctuation() => {
                let _ = write!(escaped, "&#{};", u32::from(c));
            }
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_and_have_no_meaning_in_a_table() {
        assert_eq!(escaped("a|b\n*<i>"), "a&#124;b &#42;&#60;i&#62;");
        assert_eq!(excerpt("short"), "short");
        let long = excerpt(&"é".repeat(EXCERPT + 1));
        assert_eq!((long.chars().count(), long.ends_with("é …")), (EXCERPT + 2, true));
    }
}
