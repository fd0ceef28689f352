//! Retrieval: does one paper cite the other? Two texts, letter by letter (ACL Anthology Network,
//! Radev et al. 2013; Long Range Arena, Tay et al. 2021).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use program::config::to_table;
use program::files::CACHE;
use program::findings::Findings;
use program::output::note;
use s4_config::Input;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use sha2::{Digest, Sha256};
use smart_default::SmartDefault;
use toml::Table;

use super::{Splits, Task, lra_release};
use crate::examples::texts::is_text_name;
use crate::examples::tokens::{PAD, TokenSet, sequence};
use crate::formats::rows;
use crate::inputs::Inputs;
use crate::locate::{listed, locate};
use crate::medium::{Kind, Medium};
use crate::provenance::{Provenance, Published};
use crate::shape::{Shape, Target};
use crate::text::characters::{Vocabulary, max_length};
use crate::text::token_file::{cached, hash_files, hash_part};

pub(super) const TASK: Task = Task {
    name: "retrieval",
    about: "does one paper cite the other? two texts",
    kind: Some(Kind::Text),
    length: Some(MAX_LENGTH),
    classes: Some(CLASSES.len()),
    published: Some(Published { figure: 90.90, train: 147_086 }),
    provenance,
    paper: include_str!("../../../configs/lra/retrieval.toml"),
    small: include_str!("../../../configs/lra/retrieval-small.toml"),
    source: "the official release",
    archives: lra_release::ARCHIVES,
    is_there: |dir| locate(Some(dir), "retrieval", &FOLDERS, is_there).is_ok(),
    read: Some(inputs),
    ..Task::of::<Data>(load)
};

/// Characters of a text that are kept, its end token included.
const MAX_LENGTH: usize = 4000;
const CLASSES: [&str; 2] = ["unrelated", "citing"];
/// Files for training, validation and test.
const FILES: [&str; 3] =
    ["new_aan_pairs.train.tsv", "new_aan_pairs.eval.tsv", "new_aan_pairs.test.tsv"];
/// Folders that the files are in, below the one that is named.
const FOLDERS: [&str; 3] = ["tsv_data", "lra_release/tsv_data", "lra_release/lra_release/tsv_data"];
/// The characters, all of printable ASCII: with padding, unknown and end 98 tokens, as officially.
const CHARACTERS: std::ops::RangeInclusive<char> = ' '..='~';
/// Names how texts become tokens; a change of it must change the number.
const TOKENS_VERSION: u32 = 1;

/// Where texts come from.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Data {
    /// Folder with the official release; looked for in `data` where it is missing.
    dir: Option<PathBuf>,
    /// Characters of a text that are kept, its end token included.
    #[default(MAX_LENGTH)]
    max_length: usize,
    /// The characters that are not unknown, in the order of their tokens, of a model that was trained
    /// elsewhere; those of printable ASCII where it is missing.
    vocabulary: Option<String>,
    /// Folder that tokens are kept in.
    #[default(CACHE.into())]
    cache: PathBuf,
}

fn is_there(folder: &Path) -> bool {
    FILES.iter().all(|name| folder.join(name).is_file())
}

fn load(task: &Task, data: &Table, _: bool) -> Result<Splits> {
    let settings: Data = task.settings(data)?;
    let folder = locate(settings.dir.as_deref(), task.name, &FOLDERS, is_there);
    let folder = folder.map_err(|looked| {
        anyhow!(
            "the files {} are not in {}. Get lra_release.gz, linked from \
             https://github.com/google-research/long-range-arena, and unpack it, or let `lra-bench \
             fetch-data retrieval --data DIR` do so, and name its folder with --data DIR",
            FILES.join(", "),
            listed(&looked)
        )
    })?;
    let max_length = max_length(settings.max_length)?;
    let vocabulary = vocabulary(&settings)?;

    let paths = FILES.map(|name| folder.join(name));
    let mut hash = Sha256::new_with_prefix("retrieval");
    hash.update(TOKENS_VERSION.to_le_bytes());
    hash.update((max_length as u64).to_le_bytes());
    if let Some(characters) = &settings.vocabulary {
        hash_part(&mut hash, characters.as_bytes());
    }
    hash_files(&mut hash, &paths)?;
    let path = settings.cache.join(format!("retrieval-{max_length}.tokens"));
    let set = cached(&path, &hash.finalize().into(), || {
        let mut set = TokenSet::new(2);
        for path in &paths {
            note(format_args!("reading {}", path.display()));
            read(path, |texts, label| {
                for text in texts {
                    set.extend(vocabulary.tokens(text, max_length));
                    set.end_sequence();
                }
                set.end_example(label);
            })?;
            set.end_part();
        }
        Ok(set)
    })?;

    let [train, val, test] = set.into_parts();
    let counts = [&train, &val, &test].map(|part| part.len());
    Ok(Splits {
        shape: shape(&vocabulary),
        medium: Medium::Text(Arc::new(move |tokens| vocabulary.text(tokens))),
        config: to_table(&settings)?,
        train,
        val,
        test,
        origin: format!(
            "{} + {} + {} pairs in {}",
            counts[0],
            counts[1],
            counts[2],
            folder.display()
        ),
        findings: Findings::default(),
    })
}

fn vocabulary(settings: &Data) -> Result<Vocabulary> {
    match &settings.vocabulary {
        Some(characters) => Vocabulary::new(characters).context("data.vocabulary"),
        None => Vocabulary::new(&CHARACTERS.collect::<String>()),
    }
}

fn shape(vocabulary: &Vocabulary) -> Shape {
    Shape {
        input: Input::Tokens { vocabulary: vocabulary.size() as i64 },
        target: Target::Pair(CLASSES.map(str::to_owned).to_vec()),
    }
}

fn provenance(task: &Task, data: &Table) -> Result<Provenance> {
    let length = max_length(task.settings::<Data>(data)?.max_length)?;
    Ok(Provenance::official(length >= MAX_LENGTH).with(&format!("up to {length} characters")))
}

fn inputs(task: &Task, data: &Table) -> Result<Inputs> {
    let settings: Data = task.settings(data)?;
    let max_length = max_length(settings.max_length)?;
    let vocabulary = vocabulary(&settings)?;
    let shape = shape(&vocabulary);
    let read = move |line: &str| {
        let columns: Vec<&str> = line.split('\t').collect();
        // Two texts, or a line of the official files.
        let ([first, second] | [_, _, _, first, second]) = columns[..] else {
            bail!("it has {} columns divided by tabs, expected the two texts", columns.len());
        };
        Ok([first, second].map(|text| sequence(vocabulary.tokens(text, max_length))).to_vec())
    };
    Ok(Inputs {
        shape,
        padding: Some(PAD.into()),
        about: "pairs of texts divided by a tab, one a line (.tsv, .txt)".to_owned(),
        takes: |path| {
            is_text_name(path)
                || path.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("tsv"))
        },
        file: None,
        line: Some(Box::new(read)),
    })
}

/// Calls `each` with the two texts and the label of every line: label, two identifiers, two texts.
fn read(path: &Path, mut each: impl FnMut([&str; 2], u8)) -> Result<()> {
    rows::for_each(path, |[label, _, _, first, second]: [&str; 5]| {
        // "1.0" or "0.0".
        let label = match label.parse::<f64>() {
            Ok(0.0) => 0,
            Ok(1.0) => 1,
            _ => bail!(
                "its label is `{}`, expected 0 or 1: the file is damaged or another one; fetch it \
                 again",
                label.chars().take(20).collect::<String>()
            ),
        };
        each([first, second], label);
        Ok(())
    })
}
