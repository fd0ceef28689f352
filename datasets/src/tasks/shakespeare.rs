//! Tiny Shakespeare: 40,000 lines of plays, letter by letter (Karpathy 2015).

use std::fs;

use anyhow::{Result, anyhow};
use program::files;
use program::findings::Findings;
use toml::Table;

use super::language::{Data, inputs, metric};
use super::{Splits, Task};
use crate::fetch::checksum::Checksum;
use crate::fetch::{Archive, Packing};
use crate::language::vocabulary::Unit;
use crate::locate::{listed, locate};
use crate::medium::Kind;
use crate::provenance::Provenance;

pub(super) const TASK: Task = Task {
    name: "shakespeare",
    about: "the next letter of Shakespeare's plays",
    kind: Some(Kind::Text),
    metric: |data| metric(data, Unit::Characters),
    provenance: |_, _| Ok(Provenance::official(false)),
    paper: include_str!("../../../configs/lra/shakespeare.toml"),
    small: include_str!("../../../configs/lra/shakespeare-small.toml"),
    source: "Tiny Shakespeare, input.txt",
    archives: &[Archive {
        url: "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
        file: FILE,
        size: Some(1_115_394),
        checksum: Some(Checksum::Sha256(
            "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        )),
        packing: Packing::Plain { folder: FOLDER },
    }],
    is_there: |dir| locate(Some(dir), "", &[FOLDER], |dir| dir.join(FILE).is_file()).is_ok(),
    read: Some(inputs),
    ..Task::of::<Data>(load)
};

const FILE: &str = "input.txt";
const FOLDER: &str = "tinyshakespeare";

/// The usual split: the last tenth is held out, and there is no other text to test.
fn load(task: &Task, data: &Table, _: bool) -> Result<Splits> {
    let settings = Data::of(task, data, Unit::Characters)?;
    let has_file = |dir: &std::path::Path| dir.join(FILE).is_file();
    let found = locate(settings.dir.as_deref(), task.name, &[FOLDER], has_file);
    let dir = found.map_err(|looked| {
        anyhow!(
            "no {FILE} in {}. Get it with `lra-bench fetch-data shakespeare --data DIR`, and name its \
             folder with --data DIR",
            listed(&looked)
        )
    })?;
    let path = dir.join(FILE);
    let mut train = fs::read(&path).map_err(files::cannot("read", &path))?;
    let val = train.split_off(train.len() * 9 / 10);
    let test = val.clone();
    let mut splits =
        settings.splits([train, val, test], &dir.display().to_string(), Findings::default())?;
    splits.origin += "; what validates also tests";
    Ok(splits)
}
