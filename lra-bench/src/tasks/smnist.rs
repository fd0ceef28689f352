//! Sequential MNIST: handwritten digits read pixel by pixel, 784 steps (Le et al. 2015).

use super::Task;
use super::mnist_files::{CLASSES, DATA_KEYS, MNIST, PIXELS, is_there, open};

pub(super) const TASK: Task = Task {
    name: "smnist",
    about: "sequential MNIST: digits, pixel by pixel",
    length: Some(PIXELS),
    classes: Some(CLASSES),
    paper_accuracy: Some(99.63),
    paper: include_str!("../../../configs/lra/smnist.toml"),
    small: include_str!("../../../configs/lra/smnist-small.toml"),
    data_keys: DATA_KEYS,
    source: "MNIST's four IDX files",
    is_there: |dir| is_there(dir, &MNIST),
    open: |config| open(config, "smnist", &MNIST, None),
};
