//! Path-256: Pathfinder with 256 x 256 pixels, a sequence of 65,536 steps.

use super::Task;
use super::pathfinder::{CLASSES, DATA_KEYS, is_there, open};

pub(super) const TASK: Task = Task {
    name: "path-256",
    about: "Pathfinder with 256 x 256 pixels",
    length: Some(SIDE * SIDE),
    classes: Some(CLASSES.len()),
    paper_accuracy: None,
    paper: include_str!("../../../configs/lra/path-256.toml"),
    small: include_str!("../../../configs/lra/path-256-small.toml"),
    data_keys: DATA_KEYS,
    source: "generated, or the official release",
    is_there: |dir| is_there(dir, SIDE),
    open: |config| open(config, SIDE),
};

const SIDE: usize = 256;
