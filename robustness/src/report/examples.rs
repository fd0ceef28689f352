//! Examples that flip, to look at, listen to and read.

use std::path::Path;

use anyhow::{Context, Result};
use audio_data::read::Reader;
use program::exit::describe;
use report::page::{Clip, Pair, Span};
use report::picture::waveform;

use super::changes::marked;
use crate::flip::{Flip, Side};
use crate::results::{Results, Row};

/// A slice and its examples that flip.
pub struct Flipped {
    /// The slice.
    pub slice: String,
    /// The examples.
    pub pairs: Vec<Pair>,
}

/// The examples that flip of each kind of change, at the mildest severity or budget at which some do.
pub fn flipped(results: &Results) -> Vec<Flipped> {
    let mut rows: Vec<_> = results.rows.iter().filter(|row| !row.flips.is_empty()).collect();
    let all = rows.clone();
    // Budgets stand in the names of attacks, which are listed from small to large ones.
    let change = |row: &Row| match &row.attack {
        Some(outcome) => outcome.attack.clone(),
        None => row.slice.name.clone(),
    };
    let mut seen = Vec::new();
    rows.sort_by_key(|row| row.slice.severity);
    rows.retain(|row| {
        let change = (row.slice.idiom, change(row));
        let is_first = !seen.contains(&change);
        seen.push(change);
        is_first
    });
    rows.sort_by_key(|row| all.iter().position(|it| std::ptr::eq(*it, *row)));
    let each = rows.into_iter().map(|row| Flipped {
        slice: row.slice.identifier(),
        pairs: row.flips.iter().map(|flip| pair(flip, results)).collect(),
    });
    each.collect()
}

fn pair(flip: &Flip, results: &Results) -> Pair {
    let class = |class: Option<usize>| {
        let name = class.and_then(|class| results.about.classes.get(class));
        name.map_or_else(|| format!("{}", class.unwrap_or_default()), Clone::clone)
    };
    let says = |side: &Side| {
        let (said, sure) = (class(side.verdict.predicted), 100.0 * side.verdict.confidence);
        format!("{said}, {sure:.0}% sure")
    };
    let [before, after] = clips(flip, &results.folder).unwrap_or_else(|error| {
        // What is lost is said in its place; the figures stand.
        let text = vec![Span { text: describe(&error), marked: false }];
        [Clip::default(), Clip { text, ..Clip::default() }]
    });
    let right = class(flip.after.verdict.label);
    Pair {
        title: format!(
            "example {}: {right}, taken for {}",
            flip.example,
            class(flip.after.verdict.predicted)
        ),
        before: Clip { title: "before".to_owned(), note: says(&flip.before), ..before },
        after: Clip { title: "after".to_owned(), note: says(&flip.after), ..after },
    }
}

fn clips(flip: &Flip, folder: &Path) -> Result<[Clip; 2]> {
    let sides = [&flip.before, &flip.after];
    let [before, after] = sides.map(|side| side.read(folder));
    let (before, after) = (before?, after?);
    let extension = flip.before.file.extension().and_then(|it| it.to_str());
    match extension.unwrap_or_default() {
        "png" => Ok([before, after].map(|png| Clip { png: Some(png), ..Clip::default() })),
        "wav" => Ok([sound(before)?, sound(after)?]),
        "csv" => {
            let [before, after] = [series(&before)?, series(&after)?];
            let levels = before.iter().chain(&after).filter(|level| level.is_finite());
            let most = levels.fold(f32::MIN_POSITIVE, |most, level| most.max(level.abs()));
            Ok([before, after].map(|values| {
                let levels: Vec<f32> = values.iter().map(|value| value / most).collect();
                Clip { svg: Some(waveform(&levels)), ..Clip::default() }
            }))
        }
        _ => {
            let texts = [before, after].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            Ok(marked(&texts[0], &texts[1]).map(|text| Clip { text, ..Clip::default() }))
        }
    }
}

fn sound(wav: Vec<u8>) -> Result<Clip> {
    let mut reader = Reader::from_bytes(wav.clone())?;
    let mut samples = Vec::new();
    while let Some(block) = reader.next_block()? {
        samples.extend_from_slice(block);
    }
    Ok(Clip { wav: Some(wav), svg: Some(waveform(&samples)), ..Clip::default() })
}

/// The first feature at each time.
fn series(bytes: &[u8]) -> Result<Vec<f32>> {
    let mut csv = csv::ReaderBuilder::new().has_headers(false).from_reader(bytes);
    let value = |record: csv::StringRecord| -> Result<f32> {
        Ok(record.get(0).context("a line without a value")?.parse()?)
    };
    csv.records().map(|record| value(record?)).collect()
}
