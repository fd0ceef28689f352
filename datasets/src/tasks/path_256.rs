//! Path-256: Pathfinder with 256 x 256 pixels, a sequence of 65,536 steps.

use super::Task;
use super::pathfinder::of_side;

pub(super) const TASK: Task = Task {
    name: "path-256",
    about: "Pathfinder with 256 x 256 pixels",
    paper: include_str!("../../../configs/lra/path-256.toml"),
    small: include_str!("../../../configs/lra/path-256-small.toml"),
    ..of_side::<256>()
};
