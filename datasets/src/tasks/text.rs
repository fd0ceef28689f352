//! Text: is a film review favourable? Letter by letter (IMDb reviews of Maas et al. 2011; Long Range
//! Arena, Tay et al. 2021).

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail, ensure};
use audio_data::layout::kind_of;
use program::config::to_table;
use program::files::{self, CACHE, walk};
use program::findings::Findings;
use program::interrupt;
use rayon::prelude::*;
use s4_config::Input;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use sha2::{Digest, Sha256};
use smart_default::SmartDefault;
use toml::Table;

use super::{Splits, Task};
use crate::examples::texts::is_text_name;
use crate::examples::tokens::{PAD, TokenSet, sequence};
use crate::fetch::checksum::Checksum;
use crate::fetch::{Archive, Packing};
use crate::hold_out::{self, hold_out_tenths};
use crate::inputs::{Inputs, decided};
use crate::locate::{listed, locate};
use crate::medium::{Kind, Medium};
use crate::provenance::{Provenance, Published};
use crate::shape::{Shape, Target};
use crate::split::Split;
use crate::text::characters::{Counts, Vocabulary, max_length};
use crate::text::token_file::{Fingerprint, cached, hash_part};

pub(super) const TASK: Task = Task {
    name: "text",
    about: "is a film review good? letter by letter",
    kind: Some(Kind::Text),
    length: Some(MAX_LENGTH),
    classes: Some(CLASSES.len()),
    published: Some(Published { figure: 86.82, train: 22_500 }),
    provenance,
    paper: include_str!("../../../configs/lra/text.toml"),
    small: include_str!("../../../configs/lra/text-small.toml"),
    source: "the IMDb reviews, aclImdb",
    archives: &[Archive {
        url: "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
        file: "aclImdb_v1.tar.gz",
        size: Some(84_125_825),
        checksum: Some(Checksum::Md5("7c2ac02c03563afcf9b574c7e56c153a")),
        packing: Packing::TarGz { folder: "aclImdb", bare: false },
    }],
    is_there: |dir| locate(Some(dir), "text", &["aclImdb"], is_there).is_ok(),
    read: Some(inputs),
    ..Task::of::<Data>(load)
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

/// Where reviews come from.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Data {
    /// Folder with `aclImdb`; looked for in `data` where it is missing.
    dir: Option<PathBuf>,
    /// Which reviews select the best checkpoint: `held-out`, a tenth of the training reviews, or
    /// `test`, the test reviews, as in the official experiments.
    validation: Validation,
    /// Draws the tenth that is held out.
    #[default(hold_out::DEFAULT_SEED)]
    seed: u64,
    /// Characters of a review that are kept, its end token included.
    #[default(MAX_LENGTH)]
    max_length: usize,
    /// The characters that are not unknown, in the order of their tokens; the frequent ones of the
    /// training texts where it is missing. Kept with a run.
    vocabulary: Option<String>,
    /// Folder that tokens are kept in.
    #[default(CACHE.into())]
    cache: PathBuf,
}

/// Which reviews select the best checkpoint; the files have none for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Validation {
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

fn load(task: &Task, data: &Table, _: bool) -> Result<Splits> {
    let settings: Data = task.settings(data)?;
    let looked_for = "train/neg, train/pos, test/neg and test/pos";
    let folder = locate(settings.dir.as_deref(), task.name, &["aclImdb"], is_there);
    let folder = folder.map_err(|looked| {
        anyhow!(
            "no {looked_for} in {}. Get aclImdb_v1.tar.gz from \
             https://ai.stanford.edu/~amaas/data/sentiment/ and unpack it, or let `lra-bench \
             fetch-data text --data DIR` do so, and name its folder with --data DIR",
            listed(&looked)
        )
    })?;
    let max_length = max_length(settings.max_length)?;
    let mut findings = Findings::default();
    let mut part = |part| reviews(&folder, part, &mut findings);
    let parts = [part(PARTS[0])?, part(PARTS[1])?];
    let characters = settings.vocabulary.clone().unwrap_or_else(|| {
        let mut counts = Counts::default();
        parts[0].iter().for_each(|review| counts.add(&review.text, max_length));
        counts.frequent(LEAST_OCCURRENCES)
    });
    let vocabulary = Vocabulary::new(&characters).context("data.vocabulary")?;

    let fingerprint = fingerprint(&parts, max_length, &characters);
    let set =
        cached(&settings.cache.join(format!("text-{max_length}.tokens")), &fingerprint, || {
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

    let test = set.part(1);
    let (train, [val]) = match settings.validation {
        Validation::HeldOut => hold_out_tenths(set.part(0).len(), settings.seed),
        Validation::Test => (set.part(0).collect(), [test.clone().collect()]),
    };
    let all = Split::new(set);
    let origin = format!(
        "{} reviews to train on and {} to test in {}; {} different tokens",
        train.len(),
        test.len(),
        folder.display(),
        vocabulary.size()
    );
    Ok(Splits {
        shape: shape(&vocabulary),
        medium: Medium::Text(Arc::new(move |tokens| vocabulary.text(tokens))),
        config: to_table(&Data { vocabulary: Some(characters), ..settings })?,
        origin,
        train: all.subset(train)?,
        val: all.subset(val)?,
        test: all.subset(test)?,
        findings,
    })
}

fn shape(vocabulary: &Vocabulary) -> Shape {
    Shape {
        input: Input::Tokens { vocabulary: vocabulary.size() as i64 },
        target: Target::Classes(CLASSES.map(str::to_owned).to_vec()),
    }
}

fn provenance(task: &Task, data: &Table) -> Result<Provenance> {
    let length = max_length(task.settings::<Data>(data)?.max_length)?;
    Ok(Provenance::official(length >= MAX_LENGTH).with(&format!("up to {length} characters")))
}

fn inputs(task: &Task, data: &Table) -> Result<Inputs> {
    let settings: Data = task.settings(data)?;
    let max_length = max_length(settings.max_length)?;
    let characters = decided(settings.vocabulary, "vocabulary", "\" etaoinshr\"")?;
    let vocabulary = Arc::new(Vocabulary::new(&characters).context("data.vocabulary")?);
    let shape = shape(&vocabulary);
    let tokens = move |text: &str| sequence(vocabulary.tokens(text, max_length));
    let line = tokens.clone();
    let file = move |path: &Path| {
        let text = String::from_utf8(fs::read(path).map_err(files::cannot("read", path))?);
        Ok(vec![tokens(&text.context("it is no UTF-8 text")?)])
    };
    Ok(Inputs {
        shape,
        padding: Some(PAD.into()),
        about: "texts (.txt)".to_owned(),
        takes: is_text_name,
        file: Some(Box::new(file)),
        line: Some(Box::new(move |text| Ok(vec![line(text)]))),
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
fn reviews(folder: &Path, part: &str, findings: &mut Findings) -> Result<Vec<Review>> {
    let mut files = Vec::new();
    for (class, (name, ratings)) in FOLDERS.iter().enumerate() {
        let below = format!("{part}/{name}");
        let class_folder = folder.join(&below);
        let mut names = Vec::new();
        let found = walk(&class_folder)?;
        findings.extend(found.findings);
        for path in found.files {
            if path.extension() == Some(OsStr::new("txt")) && path.iter().count() == 1 {
                check_rating(&path, ratings)?;
                names.push(class_folder.join(path));
            } else {
                findings.leave_out(kind_of(&path), Path::new(&below).join(path));
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
        interrupt::check()?;
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
