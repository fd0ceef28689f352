//! Path-X: Pathfinder with 128 x 128 pixels, a sequence of 16,384 steps.

use super::Task;
use super::pathfinder::{CLASSES, DATA_KEYS, is_there, open};

pub(super) const TASK: Task = Task {
    name: "path-x",
    about: "Pathfinder with 128 x 128 pixels",
    length: Some(SIDE * SIDE),
    classes: Some(CLASSES.len()),
    paper_accuracy: Some(96.35),
    paper: include_str!("../../../configs/lra/path-x.toml"),
    small: include_str!("../../../configs/lra/path-x-small.toml"),
    data_keys: DATA_KEYS,
    source: "generated, or the official release",
    is_there: |dir| is_there(dir, SIDE),
    open: |config| open(config, SIDE),
};

const SIDE: usize = 128;
