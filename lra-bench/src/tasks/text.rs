//! Text: is a film review favourable? Letter by letter (IMDb reviews of Maas et al. 2011; Long Range
//! Arena, Tay et al. 2021).

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail, ensure};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Split, Splits, Task};
use crate::data::characters::{Counts, Vocabulary};
use crate::data::hold_out::hold_out_tenth;
use crate::data::locate::{listed, locate};
use crate::data::token_file::{Fingerprint, cached, hash_part};
use crate::data::tokens::{TokenSet, TokenSplit};
use crate::experiment::DataConfig;
use crate::model::{InputKind, Shape};

pub(super) const TASK: Task = Task {
    name: "text",
    about: "is a film review good? letter by letter",
    length: Some(MAX_LENGTH),
    classes: Some(CLASSES.len()),
    paper_accuracy: Some(86.82),
    paper: include_str!("../../../configs/lra/text.toml"),
    small: include_str!("../../../configs/lra/text-small.toml"),
    data_keys: &["dir", "seed", "validation", "max_length", "vocabulary", "cache"],
    source: "the IMDb reviews, aclImdb",
    is_there: |dir| locate(Some(dir), "text", &["aclImdb"], is_there).is_ok(),
    open,
};

/// Characters of a review that are kept, its end token included.
const MAX_LENGTH: usize = 4096;
/// Rarer characters are unknown.
const LEAST_OCCURRENCES: u64 = 15;
const CLASSES: [&str; 2] = ["unfavourable", "favourable"];
/// Folders of the classes, and the ratings of their reviews.
const FOLDERS: [(&str, std::ops::RangeInclusive<u32>); 2] = [("neg", 1..=4), ("pos", 7..=10)];
const PARTS: [&str; 2] = ["train", "test"];
/// Names how texts become tokens; a change of it must change the number.
const TOKENS_VERSION: u32 = 1;

/// What the reviews are that the best model is chosen by; the files have none for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Validation {
    /// A tenth of the training reviews, drawn by `data.seed`, that are then not trained on.
    #[default]
    HeldOut,
    /// The test reviews, as in the official experiments: all of the training reviews are trained on,
    /// and the test accuracy is that of a model that was chosen by it.
    Test,
}

fn is_there(folder: &Path) -> bool {
    PARTS.iter().all(|part| FOLDERS.iter().all(|(class, _)| folder.join(part).join(class).is_dir()))
}

fn open(config: &DataConfig) -> Result<Splits> {
    let looked_for = "train/neg, train/pos, test/neg and test/pos";
    let folder = locate(config.dir.as_deref(), TASK.name, &["aclImdb"], is_there);
    let folder = folder.map_err(|looked| {
        anyhow!(
            "no {looked_for} in {}. Get aclImdb_v1.tar.gz from \
             https://ai.stanford.edu/~amaas/data/sentiment/ and unpack it, or let `lra-bench \
             fetch-data text --data DIR` do so, and name its folder with --data DIR",
            listed(&looked)
        )
    })?;
    let max_length = config.max_length.unwrap_or(MAX_LENGTH);
    ensure!(max_length > 1, "data.max_length is 1, which leaves room for the end token alone");
    let parts = [reviews(&folder, PARTS[0])?, reviews(&folder, PARTS[1])?];
    let characters = config.vocabulary.clone().unwrap_or_else(|| {
        let mut counts = Counts::default();
        parts[0].iter().for_each(|review| counts.add(&review.text, max_length));
        counts.frequent(LEAST_OCCURRENCES)
    });
    let vocabulary = Vocabulary::new(&characters).context("data.vocabulary")?;

    let cache = config.cache.clone().unwrap_or_else(|| PathBuf::from("data/cache"));
    let fingerprint = fingerprint(&parts, max_length, &characters);
    let set = cached(&cache.join(format!("text-{max_length}.tokens")), &fingerprint, || {
        let mut set = TokenSet::new(1);
        for part in &parts {
            for review in part {
                set.extend(vocabulary.tokens(&review.text, max_length));
                set.end_sequence();
                set.end_example(review.class);
            }
            set.end_part();
        }
        Ok(set)
    })?;

    let set = Arc::new(set);
    let split =
        |examples: Vec<usize>| -> Split { Arc::new(TokenSplit::new(set.clone(), examples)) };
    let test: Vec<usize> = set.part(1).collect();
    let (train, val) = match config.validation.unwrap_or_default() {
        Validation::HeldOut => hold_out_tenth(set.part(0).len(), config.seed),
        Validation::Test => (set.part(0).collect(), test.clone()),
    };
    Ok(Splits {
        shape: Shape {
            input: InputKind::Tokens { vocabulary: vocabulary.size() as i64 },
            classes: CLASSES.len() as i64,
            pairs: false,
        },
        class_names: CLASSES.map(str::to_owned).to_vec(),
        config: DataConfig { vocabulary: Some(characters), ..config.clone() },
        origin: format!(
            "{} reviews to train on and {} to test in {}; {} different tokens",
            train.len(),
            test.len(),
            folder.display(),
            vocabulary.size()
        ),
        train: split(train),
        val: split(val),
        test: split(test),
    })
}

/// One file.
struct Review {
    /// Its name below the folder of all of them.
    name: String,
    class: u8,
    text: String,
}

/// The reviews of a part: the unfavourable ones, then the others, each by the names of their files.
fn reviews(folder: &Path, part: &str) -> Result<Vec<Review>> {
    let mut files = Vec::new();
    for (class, (name, ratings)) in FOLDERS.iter().enumerate() {
        let below = format!("{part}/{name}");
        let class_folder = folder.join(&below);
        let cannot = || format!("cannot list {}", class_folder.display());
        let mut names = Vec::new();
        for entry in fs::read_dir(&class_folder).with_context(cannot)? {
            let path = entry.with_context(cannot)?.path();
            let hidden = path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
            if path.extension() == Some(OsStr::new("txt")) && !hidden {
                check_rating(&path, ratings)?;
                names.push(path);
            }
        }
        ensure!(
            !names.is_empty(),
            "{} holds no review (*.txt): unpack aclImdb_v1.tar.gz again",
            class_folder.display()
        );
        names.sort();
        files.extend(names.into_iter().map(|path| (class as u8, below.clone(), path)));
    }
    let read = |(class, below, path): (u8, String, PathBuf)| {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(Review { name: format!("{below}/{file}"), class, text: read_text(&path)? })
    };
    files.into_par_iter().map(read).collect()
}

fn read_text(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let whole = String::from_utf8(bytes).ok().filter(|text| !text.is_empty());
    whole.with_context(|| {
        format!(
            "{} is empty, cut off or damaged (no UTF-8 text): unpack aclImdb_v1.tar.gz again",
            path.display()
        )
    })
}

/// The name of a file, such as `123_8.txt`, ends with its rating, which decides its class.
fn check_rating(path: &Path, ratings: &std::ops::RangeInclusive<u32>) -> Result<()> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let rating = stem.rsplit_once('_').and_then(|(_, rating)| rating.parse().ok());
    if let Some(rating) = rating
        && !ratings.contains(&rating)
    {
        bail!(
            "{} has rating {rating}, but this folder is for {} to {}: files were mixed up; unpack \
             aclImdb_v1.tar.gz again",
            path.display(),
            ratings.start(),
            ratings.end()
        );
    }
    Ok(())
}

fn fingerprint(parts: &[Vec<Review>; 2], max_length: usize, characters: &str) -> Fingerprint {
    let mut hash = Sha256::new_with_prefix("text");
    hash.update(TOKENS_VERSION.to_le_bytes());
    hash.update((max_length as u64).to_le_bytes());
    hash_part(&mut hash, characters.as_bytes());
    for review in parts.iter().flatten() {
        hash_part(&mut hash, review.name.as_bytes());
        hash_part(&mut hash, review.text.as_bytes());
    }
    hash.finalize().into()
}
