//! Pathfinder with 64 x 64 pixels, a sequence of 4,096 steps: of the Long Range Arena's release,
//! though not of its table.

use super::Task;
use super::pathfinder::{CLASSES, DATA_KEYS, is_there, open};

pub(super) const TASK: Task = Task {
    name: "pathfinder64",
    about: "Pathfinder with 64 x 64 pixels",
    length: Some(SIDE * SIDE),
    classes: Some(CLASSES.len()),
    paper_accuracy: None,
    paper: include_str!("../../../configs/lra/pathfinder64.toml"),
    small: include_str!("../../../configs/lra/pathfinder64-small.toml"),
    data_keys: DATA_KEYS,
    source: "generated, or the official release",
    is_there: |dir| is_there(dir, SIDE),
    open: |config| open(config, SIDE),
};

const SIDE: usize = 64;
