//! Pathfinder with 64 x 64 pixels, a sequence of 4,096 steps: of the Long Range Arena's release,
//! though not of its table.

use super::Task;
use super::pathfinder::of_side;

pub(super) const TASK: Task = Task {
    name: "pathfinder64",
    about: "Pathfinder with 64 x 64 pixels",
    paper: include_str!("../../../configs/lra/pathfinder64.toml"),
    small: include_str!("../../../configs/lra/pathfinder64-small.toml"),
    ..of_side::<64>()
};
