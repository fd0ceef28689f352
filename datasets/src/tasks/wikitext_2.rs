//! WikiText-2: two million words of Wikipedia's good articles (Merity et al. 2016).

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use toml::Table;

use super::language::{Data, inputs, metric, parts, read};
use super::{Splits, Task};
use crate::fetch::Archive;
use crate::language::vocabulary::Unit;
use crate::locate::{listed, locate};
use crate::medium::Kind;
use crate::provenance::Provenance;
use program::findings::Findings;

pub(super) const TASK: Task = Task {
    name: NAME,
    about: "the next word of Wikipedia articles",
    kind: Some(Kind::Text),
    metric: |data| metric(data, Unit::Words),
    provenance: |_, _| Ok(Provenance::official(false)),
    paper: include_str!("../../../configs/lra/wikitext-2.toml"),
    small: include_str!("../../../configs/lra/wikitext-2-small.toml"),
    source: "WikiText-2's three files",
    // The authors' own address has not been certain for years: these are copies in PyTorch's examples.
    archives: &[archive("train.txt"), archive("valid.txt"), archive("test.txt")],
    is_there: |dir| is_there(dir, NAME),
    read: Some(inputs),
    ..Task::of::<Data>(|task, data, _| {
        open(task, data, "Get them with `lra-bench fetch-data wikitext-2 --data DIR`")
    })
};

const NAME: &str = "wikitext-2";

const fn archive(file: &'static str) -> Archive {
    let url = "https://raw.githubusercontent.com/pytorch/examples/main/word_language_model/data/wikitext-2/";
    Archive::plain(url, file, NAME)
}

pub(super) fn is_there(dir: &Path, folder: &str) -> bool {
    locate(Some(dir), "", &[folder], |dir| parts(dir).is_some()).is_ok()
}

/// The three files of a task, in a folder of its name; `remedy` says how to get them.
pub(super) fn open(task: &Task, data: &Table, remedy: &str) -> Result<Splits> {
    let settings = Data::of(task, data, Unit::Words)?;
    let found =
        locate(settings.dir.as_deref(), task.name, &[task.name], |dir| parts(dir).is_some());
    let dir = found.map_err(|looked| {
        anyhow!(
            "no wiki.train.tokens, wiki.valid.tokens and wiki.test.tokens (or train.txt, valid.txt and \
             test.txt) in {}. {remedy}, and name their folder with --data DIR",
            listed(&looked)
        )
    })?;
    let texts = read(&parts(&dir).context("the files went missing")?)?;
    settings.splits(texts, &dir.display().to_string(), Findings::default())
}
