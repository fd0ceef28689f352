//! Path-X: Pathfinder with 128 x 128 pixels, a sequence of 16,384 steps.

use super::Task;
use super::pathfinder::of_side;
use crate::provenance::Published;

pub(super) const TASK: Task = Task {
    name: "path-x",
    about: "Pathfinder with 128 x 128 pixels",
    published: Some(Published { figure: 96.35, train: 160_000 }),
    paper: include_str!("../../../configs/lra/path-x.toml"),
    small: include_str!("../../../configs/lra/path-x-small.toml"),
    ..of_side::<128>()
};
