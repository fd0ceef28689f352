//! What tasks on language have in common: a text for each part, and the next token is asked for.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use program::config::to_table;
use program::files;
use program::findings::Findings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use smart_default::SmartDefault;
use toml::Table;

use super::{Splits, Task};
use crate::batch::Sequences;
use crate::inputs::Inputs;
use crate::language::vocabulary::{START, Unit, Vocabulary};
use crate::language::windows::Windows;
use crate::medium::{Kind, Medium};
use crate::metric::Metric;
use crate::shape::Shape;
use crate::split::Split;

/// Where texts come from, and how they become tokens.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Data {
    /// Folder with the files; looked for in `data` where it is missing.
    pub dir: Option<PathBuf>,
    /// What a token is: `words`, with a token for the end of each line, `characters` or `bytes`. The
    /// task's own where it is missing.
    pub unit: Option<Unit>,
    /// Tokens of a window: back-propagation ends at its beginning.
    #[default(256)]
    pub length: usize,
    /// Whether a window begins in the state in which the one before it ended, in training and
    /// evaluation; otherwise each begins anew, and training takes them in random order.
    #[default(true)]
    pub carry: bool,
    /// The words, divided by spaces, or the characters, in the order of their tokens; those of the
    /// training text where it is missing. Kept with a run.
    pub vocabulary: Option<String>,
}

impl Data {
    /// The section of a task whose tokens are `unit` where it does not say.
    pub(super) fn of(task: &Task, data: &Table, unit: Unit) -> Result<Self> {
        let mut settings: Self = task.settings(data)?;
        settings.unit.get_or_insert(unit);
        ensure!(settings.length > 0, "data.length is 0; a window holds at least one token");
        Ok(settings)
    }

    /// The splits of these three texts: `place` says where they are from.
    pub(super) fn splits(
        self,
        [train, val, test]: [Vec<u8>; 3],
        place: &str,
        findings: Findings,
    ) -> Result<Splits> {
        let unit = self.unit.context("data.unit is missing")?;
        let vocabulary = match &self.vocabulary {
            Some(kept) => Vocabulary::read(unit, kept).context("data.vocabulary")?,
            None => Vocabulary::of(unit, &String::from_utf8_lossy(&train)),
        };
        let (mut counts, windows) =
            (Vec::new(), |tokens| Split::new(Windows::new(tokens, self.length, self.carry)));
        let [train, val, test] = [("train on", train), ("validate", val), ("test", test)].map(
            |(purpose, text)| -> Result<Split> {
                let tokens = vocabulary.encode(&text);
                ensure!(!tokens.is_empty(), "there are no {unit} to {purpose} in {place}");
                counts.push(format!("{} to {purpose}", tokens.len()));
                Ok(windows(tokens))
            },
        );
        let (train, val, test) = (train?, val?, test?);
        let size = vocabulary.size();
        Ok(Splits {
            shape: Shape::next_token(size as i64),
            config: to_table(&Self { vocabulary: vocabulary.kept(), ..self })?,
            medium: Medium::Text(Arc::new(move |tokens| {
                let tokens: Vec<u32> = tokens.iter().map(|&token| token as u32).collect();
                vocabulary.decode(&tokens)
            })),
            train,
            val,
            test,
            origin: format!("{unit} of {place}: {}; {size} different tokens", counts.join(", ")),
            findings,
        })
    }
}

/// Lines of text, for a model that was trained with the section `data`: each as the tokens that are asked
/// for, after the token before every text.
///
/// # Errors
/// If the section has no vocabulary.
pub(super) fn inputs(task: &Task, data: &Table) -> Result<Inputs> {
    let vocabulary = vocabulary(task, data)?;
    let (unit, size) = (vocabulary.unit(), vocabulary.size());
    let read = move |line: &str| {
        let tokens = [START].into_iter().chain(vocabulary.encode(line.as_bytes()));
        Ok(vec![Sequences::Tokens(tokens.map(i64::from).collect())])
    };
    Ok(Inputs {
        shape: Shape::next_token(size as i64),
        padding: Some(START as f32),
        about: format!("texts of {unit}"),
        takes: |_| false,
        file: None,
        line: Some(Box::new(read)),
    })
}

/// By what models of a task are compared whose tokens are `unit` where the section does not say.
pub(super) fn metric(data: &Table, unit: Unit) -> Option<Metric> {
    let given = data.get("unit").cloned().map(Unit::deserialize);
    Some(given.and_then(Result::ok).unwrap_or(unit).metric())
}

/// Whether this section of a run is of a task on language.
pub fn is_of(task: &Task, data: &Table) -> bool {
    task.kind == Some(Kind::Text) && data.contains_key("unit")
}

/// The vocabulary that a run of a task on language keeps in its section.
///
/// # Errors
/// If it is of no such task.
pub fn vocabulary(task: &Task, data: &Table) -> Result<Vocabulary> {
    ensure!(is_of(task, data), "{} is no task on language", task.name);
    let settings: Data = task.settings(data)?;
    let unit = settings.unit.context("data.unit is missing")?;
    Vocabulary::read(unit, &settings.vocabulary.unwrap_or_default()).context("data.vocabulary")
}

/// The files of the three parts in a folder, `wiki.{train,valid,test}.tokens` or
/// `{train,valid,test}.txt`.
pub(super) fn parts(dir: &Path) -> Option<[PathBuf; 3]> {
    let named = |before: &str, after: &str| {
        ["train", "valid", "test"].map(|part| dir.join(format!("{before}{part}{after}")))
    };
    let namings = [named("wiki.", ".tokens"), named("", ".txt")];
    namings.into_iter().find(|files| files.iter().all(|file| file.is_file()))
}

/// The texts of files, each of whose last lines ends.
pub(super) fn read(files: &[PathBuf; 3]) -> Result<[Vec<u8>; 3]> {
    let [train, val, test] = files.each_ref().map(|path| -> Result<Vec<u8>> {
        let mut text = fs::read(path).map_err(files::cannot("read", path))?;
        if text.last().is_some_and(|&last| last != b'\n') {
            text.push(b'\n');
        }
        Ok(text)
    });
    Ok([train?, val?, test?])
}
