//! What is seen, heard and read of a model while it trains: a few examples of the validation split with
//! their labels and what the model takes them for, the same ones at every evaluation.

mod curves;
mod tile;

use std::fmt::Write;

use anyhow::Result;
use audio_data::wav_out::wav_bytes;
use datasets::batch::{Batch, Example, Sequences};
use datasets::examples::view::View;
use datasets::medium::Medium;
use datasets::shape::{Series, Target};
use datasets::split::Split;
use tch::Tensor;
use training::canvas::{BLACK, Canvas, GREY, LETTER, LINE, RIGHT, WRONG, shortened};
use training::show::{Show, Sound};

use self::tile::GAP;
use crate::metrics::confusion::Confusion;
use crate::metrics::errors::Estimate;
use crate::metrics::{Prediction, gather};
use crate::number::brief;

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

/// What there is to say of an example.
struct Said {
    label: String,
    guess: String,
    /// Of a class: the probability that the model gives to its guess, and whether that is right.
    class: Option<(f64, bool)>,
}

impl Said {
    fn of_class(target: &Target, prediction: &Prediction) -> Self {
        let name = |class: usize| target.class_names().get(class).map_or("?", String::as_str);
        Self {
            label: name(prediction.label).to_owned(),
            guess: name(prediction.predicted).to_owned(),
            class: Some((prediction.confidence, prediction.is_correct())),
        }
    }

    fn of_values(estimate: &Estimate) -> Self {
        let text = |values: &[f64]| values.iter().map(|&value| brief(value)).collect::<Vec<_>>();
        let [label, guess] = [&estimate.targets, &estimate.values].map(|of| text(of).join(", "));
        Self { label, guess, class: None }
    }
}

impl Preview {
    /// Examples of `split` at equal distances.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn new(medium: Medium, split: &Split) -> Result<Self> {
        let count = split.len().min(SHOWN);
        let shown = |number: usize| -> Result<_> {
            let index = number * split.len() / count;
            let file = split.name(index);
            let file = file.as_deref().and_then(|file| file.file_name()?.to_str());
            let name = file.map_or_else(|| index.to_string(), str::to_owned);
            Ok(Shown { index, name, example: split.example(index)? })
        };
        let examples = (0..count).map(shown).collect::<Result<_>>()?;
        Ok(Self { medium, examples, heard: false })
    }

    /// Shows the examples with what the model says of them, and of classes the confusion matrix of the
    /// split, from its `outputs`, as the objective gathers them.
    ///
    /// # Errors
    /// If something cannot be shown.
    pub fn show(&mut self, target: &Target, outputs: &Tensor, show: &mut dyn Show) -> Result<()> {
        let said: Vec<Said> = match target {
            Target::Values(quantities) => {
                let estimates = gather::read_values(outputs, quantities)?;
                let found = self.examples.iter().filter_map(|shown| estimates.get(shown.index));
                found.map(Said::of_values).collect()
            }
            _ => {
                let names = target.class_names();
                let predictions = gather::read(outputs)?;
                let confusion = Confusion::new(&predictions, names.len());
                show.picture("confusion", &confusion.picture(names).to_tensor())?;
                let found = self.examples.iter().filter_map(|shown| predictions.get(shown.index));
                found.map(|prediction| Said::of_class(target, prediction)).collect()
            }
        };
        show.text("predictions/table", &self.table(target, &said))?;
        if let Some(sheet) = self.sheet(target, &said) {
            show.picture("predictions/sheet", &sheet.to_tensor())?;
        }
        if !std::mem::replace(&mut self.heard, true) {
            self.sounds(show)?;
        }
        Ok(())
    }

    /// The examples as a batch, where they are of one length.
    ///
    /// # Errors
    /// If they do not fit together.
    pub fn batch(&self) -> Result<Batch> {
        let examples: Vec<_> = self.examples.iter().map(|shown| shown.example.clone()).collect();
        Batch::of(&examples, None)
    }

    /// Shows the examples with what the model says of their steps, `said` (B, S, T·Q), beside what came.
    ///
    /// # Errors
    /// If something cannot be shown.
    pub fn show_series(&self, series: &Series, said: &Tensor, show: &mut dyn Show) -> Result<()> {
        let said = gather::host(&said.flatten(1, 2))?;
        let tiles = self.examples.iter().zip(&said);
        let tiles: Vec<_> =
            tiles.map(|(shown, said)| curves::of(series, &shown.example, said)).collect();
        let height = tiles.iter().map(|tile| tile.height() + LINE + GAP).sum::<usize>();
        let mut sheet = Canvas::new(tile::WIDTH + 2 * GAP, height + LINE + GAP);
        let name = series.quantities.last().map_or("", |quantity| &quantity.name);
        let heading = format!("{name}: known grey, came black, said blue");
        sheet.text(GAP, GAP / 2, &shortened(&heading, tile::WIDTH / LETTER), GREY);
        let mut y = LINE + GAP;
        for (shown, tile) in self.examples.iter().zip(&tiles) {
            sheet.text(GAP, y, &shown.name, BLACK);
            sheet.put(GAP, y + LINE, tile);
            y += tile.height() + LINE + GAP;
        }
        show.picture("predictions/sheet", &sheet.to_tensor())
    }

    /// What is said as Markdown.
    fn table(&self, target: &Target, said: &[Said]) -> String {
        let mut headings = vec!["example".to_owned()];
        match target {
            Target::Values(quantities) => {
                let names = quantities.iter().map(|quantity| escaped(&quantity.name));
                headings.extend([names.collect::<Vec<_>>().join(", "), "guess".to_owned()]);
            }
            _ => headings.extend(["label", "guess", "probability"].map(str::to_owned)),
        }
        let has_text = self.medium.spell(&[]).is_some();
        if has_text {
            headings.push("text".to_owned());
        }
        let rule = "---|".repeat(headings.len());
        let mut table = format!("| {} |\n|{rule}\n", headings.join(" | "));
        for (number, (shown, said)) in self.examples.iter().zip(said).enumerate() {
            let (name, label) = (escaped(&shown.name), escaped(&said.label));
            let guess = escaped(&said.guess);
            let _ = write!(table, "| {number}: {name} | {label} |");
            let _ = match said.class {
                Some((confidence, true)) => {
                    write!(table, " {guess} | {:.1}% |", 100.0 * confidence)
                }
                Some((confidence, false)) => {
                    write!(table, " **{guess}** | {:.1}% |", 100.0 * confidence)
                }
                None => write!(table, " {guess} |"),
            };
            if has_text {
                let texts = shown.example.sequences.iter().filter_map(|sequence| match sequence {
                    Sequences::Tokens(tokens) => self.medium.spell(tokens),
                    _ => None,
                });
                let texts = texts.map(|text| escaped(&excerpt(&text)));
                let _ = write!(table, " {} |", texts.collect::<Vec<_>>().join("<br><br>"));
            }
            table.push('\n');
        }
        table
    }

    /// The examples as pictures with what is said of them; none of texts.
    fn sheet(&self, target: &Target, said: &[Said]) -> Option<Canvas> {
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
        let heading = match target {
            Target::Values(_) => "target, guess",
            _ => "label, guess",
        };
        sheet.text(GAP, GAP / 2, &shortened(heading, letters * columns), GREY);
        for (number, (tile, said)) in tiles.iter().zip(said).enumerate() {
            let x = GAP + number % columns * (width + GAP);
            let y = GAP + LINE + number / columns * (height + GAP);
            sheet.text(x, y, &shortened(&said.label, letters), BLACK);
            let (percent, colour) = match said.class {
                Some((confidence, true)) => (format!(" {:.0}%", 100.0 * confidence), RIGHT),
                Some((confidence, false)) => (format!(" {:.0}%", 100.0 * confidence), WRONG),
                None => (String::new(), RIGHT),
            };
            let guess = shortened(&said.guess, letters.saturating_sub(percent.len())) + &percent;
            sheet.text(x, y + LINE, &guess, colour);
            sheet.put(x, y + 2 * LINE, tile);
        }
        Some(sheet)
    }

    fn sounds(&self, show: &mut dyn Show) -> Result<()> {
        let &Medium::Sound { rate, scale, view: View::Samples } = &self.medium else {
            return Ok(());
        };
        for (number, shown) in self.examples.iter().enumerate() {
            let samples = tile::samples(&shown.example, scale);
            let samples = &samples[..samples.len().min(SECONDS * rate as usize)];
            let wav = wav_bytes(samples, rate)?;
            let sound = Sound { wav, rate, channels: 1, frames: samples.len() };
            show.sound(&format!("audio/real/{number}"), &sound)?;
        }
        Ok(())
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
