//! Retrieval: does one paper cite the other? Two texts, letter by letter (ACL Anthology Network,
//! Radev et al. 2013; Long Range Arena, Tay et al. 2021).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, anyhow, bail, ensure};
use sha2::{Digest, Sha256};

use super::{Split, Splits, Task};
use crate::data::characters::Vocabulary;
use crate::data::locate::{listed, locate};
use crate::data::rows;
use crate::data::token_file::{cached, hash_files};
use crate::data::tokens::{TokenSet, TokenSplit};
use crate::experiment::DataConfig;
use crate::model::{InputKind, Shape};

pub(super) const TASK: Task = Task {
    name: "retrieval",
    about: "does one paper cite the other? two texts",
    length: Some(MAX_LENGTH),
    classes: Some(CLASSES.len()),
    paper_accuracy: Some(90.90),
    paper: include_str!("../../../configs/lra/retrieval.toml"),
    small: include_str!("../../../configs/lra/retrieval-small.toml"),
    data_keys: &["dir", "max_length", "cache"],
    source: "the official release",
    is_there: |dir| locate(Some(dir), "retrieval", &FOLDERS, is_there).is_ok(),
    open,
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

fn is_there(folder: &Path) -> bool {
    FILES.iter().all(|name| folder.join(name).is_file())
}

fn open(config: &DataConfig) -> Result<Splits> {
    let folder = locate(config.dir.as_deref(), TASK.name, &FOLDERS, is_there);
    let folder = folder.map_err(|looked| {
        anyhow!(
            "the files {} are not in {}. Get lra_release.gz, linked from \
             https://github.com/google-research/long-range-arena, and unpack it, or let `lra-bench \
             fetch-data retrieval --data DIR` do so, and name its folder with --data DIR",
            FILES.join(", "),
            listed(&looked)
        )
    })?;
    let max_length = config.max_length.unwrap_or(MAX_LENGTH);
    ensure!(max_length > 1, "data.max_length is 1, which leaves room for the end token alone");
    let vocabulary = Vocabulary::new(&CHARACTERS.collect::<String>())?;

    let paths = FILES.map(|name| folder.join(name));
    let cache = config.cache.clone().unwrap_or_else(|| PathBuf::from("data/cache"));
    let mut hash = Sha256::new_with_prefix("retrieval");
    hash.update(TOKENS_VERSION.to_le_bytes());
    hash.update((max_length as u64).to_le_bytes());
    hash_files(&mut hash, &paths)?;
    let path = cache.join(format!("retrieval-{max_length}.tokens"));
    let set = cached(&path, &hash.finalize().into(), || {
        let mut set = TokenSet::new(2);
        for path in &paths {
            eprintln!("reading {}", path.display());
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

    let [train, val, test] = [0, 1, 2].map(|part| set.part(part).len());
    let set = Arc::new(set);
    let part = |number| -> Split { Arc::new(TokenSplit::new(set.clone(), set.part(number))) };
    Ok(Splits {
        shape: Shape {
            input: InputKind::Tokens { vocabulary: vocabulary.size() as i64 },
            classes: CLASSES.len() as i64,
            pairs: true,
        },
        class_names: CLASSES.map(str::to_owned).to_vec(),
        config: config.clone(),
        train: part(0),
        val: part(1),
        test: part(2),
        origin: format!("{train} + {val} + {test} pairs in {}", folder.display()),
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
