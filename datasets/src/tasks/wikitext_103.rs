//! WikiText-103: a hundred million words of Wikipedia's good articles (Merity et al. 2016).

use super::Task;
use super::language::{Data, inputs, metric};
use super::wikitext_2::{is_there, open};
use crate::language::vocabulary::Unit;
use crate::medium::Kind;
use crate::provenance::{Provenance, Published};

pub(super) const TASK: Task = Task {
    name: "wikitext-103",
    about: "the next word of Wikipedia articles, on a large scale",
    kind: Some(Kind::Text),
    metric: |data| metric(data, Unit::Words),
    // 103,227,021 words in windows of 8,192.
    published: Some(Published { figure: 20.95, train: 12_600 }),
    provenance: |task, data| {
        let Data { unit, length, .. } = Data::of(task, data, Unit::Words)?;
        Ok(Provenance::official(unit == Some(Unit::Words) && length == 8192))
    },
    paper: include_str!("../../../configs/lra/wikitext-103.toml"),
    small: include_str!("../../../configs/lra/wikitext-103-small.toml"),
    source: "WikiText-103's three files",
    is_there: |dir| is_there(dir, "wikitext-103"),
    read: Some(inputs),
    ..Task::of::<Data>(|task, data, _| {
        open(
            task,
            data,
            "No address is certain to have them: look for wikitext-103-v1.zip, the word-level files of \
             Merity et al. 2016",
        )
    })
};
