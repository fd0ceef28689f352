//! ListOps: what is a nested expression worth? (Nangia and Bowman 2018; Long Range Arena, Tay et al.
//! 2021).

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, anyhow};
use program::progress::Progress;
use program::{exit, interrupt};
use sha2::{Digest, Sha256};

use super::{Split, Splits, Task};
use crate::data::locate::{listed, locate};
use crate::data::token_file::{cached, hash_files};
use crate::data::tokens::{END, TokenSet, TokenSplit};
use crate::experiment::DataConfig;
use crate::listops::grammar::{self, VALUES, VOCABULARY};
use crate::listops::{Lengths, Recipe, tsv};
use crate::model::{InputKind, Shape};

pub(super) const TASK: Task = Task {
    name: "listops",
    about: "what is a nested expression worth?",
    length: Some(MAX_LENGTH),
    classes: Some(VALUES as usize),
    paper_accuracy: Some(59.60),
    paper: include_str!("../../../configs/lra/listops.toml"),
    small: include_str!("../../../configs/lra/listops-small.toml"),
    data_keys: &["dir", "count", "eval_count", "lengths", "seed", "cache"],
    source: "generated, or the official release",
    is_there: |dir| locate(Some(dir), "listops", &FOLDERS, is_there).is_ok(),
    open,
};

/// Tokens of a sequence, its end token included.
const MAX_LENGTH: usize = 2048;
/// Folders that the files are in, below the one that is named.
const FOLDERS: [&str; 3] =
    ["listops-1000", "lra_release/listops-1000", "lra_release/lra_release/listops-1000"];
/// Sizes of the published parts.
const DEFAULT_COUNT: u64 = 96_000;
const DEFAULT_EVAL_COUNT: u64 = 2000;
/// Names how files become tokens; a change of it must change the number.
const TOKENS_VERSION: u32 = 1;

fn is_there(folder: &Path) -> bool {
    tsv::FILES.iter().all(|name| folder.join(name).is_file())
}

/// The published files in `config.dir`, or new expressions.
fn open(config: &DataConfig) -> Result<Splits> {
    let cache = config.cache.clone().unwrap_or_else(|| PathBuf::from("data/cache"));
    let (set, origin) = match &config.dir {
        Some(dir) => from_files(dir, &cache)?,
        None => generated(config, &cache)?,
    };
    let set = Arc::new(set);
    let part = |number| -> Split { Arc::new(TokenSplit::new(set.clone(), set.part(number))) };
    Ok(Splits {
        shape: Shape {
            input: InputKind::Tokens { vocabulary: VOCABULARY as i64 },
            classes: VALUES.into(),
            pairs: false,
        },
        class_names: (0..VALUES).map(|value| value.to_string()).collect(),
        config: config.clone(),
        train: part(0),
        val: part(1),
        test: part(2),
        origin,
    })
}

fn from_files(dir: &Path, cache: &Path) -> Result<(TokenSet, String)> {
    let folder = locate(Some(dir), TASK.name, &FOLDERS, is_there).map_err(|looked| {
        anyhow!(
            "the files {} are not in {}. Unpack the official archive there (lra_release.gz, linked \
             from https://github.com/google-research/long-range-arena), write new ones with \
             `lra-bench generate-data --task listops --out {} --count {DEFAULT_COUNT}`, or leave \
             --data out to train on generated expressions",
            tsv::FILES.join(", "),
            listed(&looked),
            dir.display()
        )
    })?;
    let paths = tsv::FILES.map(|name| folder.join(name));
    let mut hash = Sha256::new_with_prefix("listops files");
    hash.update(TOKENS_VERSION.to_le_bytes());
    hash_files(&mut hash, &paths)?;
    let set = cached(&cache.join("listops.tokens"), &hash.finalize().into(), || {
        let mut set = TokenSet::new(1);
        for path in &paths {
            eprintln!("reading {}", path.display());
            tsv::read(path, |expression, value| add(&mut set, expression, value))?;
            set.end_part();
        }
        Ok(set)
    })?;
    let [train, val, test] = [0, 1, 2].map(|part| set.part(part).len());
    let origin = format!("{train} + {val} + {test} expressions in {}", folder.display());
    Ok((set, origin))
}

fn generated(config: &DataConfig, cache: &Path) -> Result<(TokenSet, String)> {
    let eval_count = config.eval_count.unwrap_or(DEFAULT_EVAL_COUNT);
    let recipe = Recipe {
        seed: config.seed.unwrap_or(0),
        counts: [config.count.unwrap_or(DEFAULT_COUNT), eval_count, eval_count],
        lengths: config.lengths.unwrap_or(Lengths::PUBLISHED),
    };
    recipe.validate(MAX_LENGTH - 1)?;
    let Recipe { seed, counts: [count, ..], lengths: Lengths { shortest, longest } } = recipe;
    let name = format!("listops-seed{seed}-{count}-{eval_count}-{shortest}-{longest}.tokens");
    let origin = format!(
        "no --data, so {count} expressions of {shortest} to {longest} tokens (and twice \
         {eval_count} to evaluate) are generated once and kept in {}",
        cache.display()
    );
    let set = cached(&cache.join(name), &recipe.fingerprint(), || {
        let total = recipe.counts.iter().sum();
        let progress = Progress::new(true, 0, total);
        let parts = recipe.generate(|done| {
            progress.step(done);
            progress.figures("expressions", &format!("expressions generated: {done} of {total}"));
            if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        let mut set = TokenSet::new(1);
        for expressions in parts.ok_or_else(exit::interrupted)? {
            for expression in expressions {
                add(&mut set, &expression, grammar::evaluate(&expression)?);
            }
            set.end_part();
        }
        Ok(set)
    })?;
    Ok((set, origin))
}

/// Adds an expression as the model sees it: at most 2,048 tokens with the end token.
fn add(set: &mut TokenSet, expression: &[u8], value: u8) {
    set.extend(expression.iter().copied().take(MAX_LENGTH - 1).chain([END]));
    set.end_sequence();
    set.end_example(value);
}
