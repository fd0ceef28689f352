//! Texts of your own: all files of a folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, ensure};
use audio_data::layout::kind_of;
use program::files::{self, walk};
use program::findings::Findings;
use program::interrupt;
use toml::Table;

use super::language::{Data, inputs, metric, parts, read};
use super::{Splits, Task};
use crate::language::vocabulary::Unit;
use crate::medium::Kind;
use crate::provenance::Provenance;

pub(super) const TASK: Task = Task {
    name: "folder-text",
    about: "the next letter, word or byte of your own texts",
    kind: Some(Kind::Text),
    metric: |data| metric(data, Unit::Characters),
    provenance: |_, _| Ok(Provenance { words: "folder".to_owned(), ..Provenance::default() }),
    paper: include_str!("../../../configs/lra/folder-text.toml"),
    small: include_str!("../../../configs/lra/folder-text-small.toml"),
    source: "your own files",
    is_there: |_| false,
    read: Some(inputs),
    ..Task::of::<Data>(load)
};

/// Files called as the parts are, or all files, in the order of their names: of each the first eight
/// tenths are trained on, and the next and the last tenth validate and test. Files that come later
/// move none.
fn load(task: &Task, data: &Table, _: bool) -> Result<Splits> {
    let settings = Data::of(task, data, Unit::Characters)?;
    let Some(dir) = settings.dir.clone() else {
        return Err(anyhow!("no folder is named; name one with --data DIR"));
    };
    let (texts, findings) = match parts(&dir) {
        Some(files) => (read(&files)?, Findings::default()),
        None => shares(&dir, settings.unit == Some(Unit::Bytes))?,
    };
    settings.splits(texts, &dir.display().to_string(), findings)
}

fn shares(dir: &Path, is_bytes: bool) -> Result<([Vec<u8>; 3], Findings)> {
    let found = walk(dir)?;
    let (mut findings, mut names) = (found.findings, found.files);
    names.sort();
    let mut texts = [const { Vec::new() }; 3];
    for name in names {
        interrupt::check()?;
        let path: PathBuf = dir.join(&name);
        let bytes = fs::read(&path).map_err(files::cannot("read", &path))?;
        if !is_bytes && std::str::from_utf8(&bytes).is_err() {
            findings.leave_out(kind_of(&name), &name);
            continue;
        }
        // Not within a character.
        let border = |tenths: usize| {
            let at = bytes.len() * tenths / 10;
            (at..bytes.len()).find(|&at| bytes[at] & 0xc0 != 0x80).unwrap_or(bytes.len())
        };
        let (val, test) = (border(8), border(9));
        for (text, part) in texts.iter_mut().zip([&bytes[..val], &bytes[val..test], &bytes[test..]])
        {
            text.extend_from_slice(part);
        }
    }
    ensure!(
        texts.iter().all(|text| !text.is_empty()),
        "{} holds no text that could be divided into three parts (files of UTF-8)",
        dir.display()
    );
    Ok((texts, findings))
}
