//! Permuted sequential MNIST: the pixels of all digits in one order that leaves no picture, 784
//! steps (Le et al. 2015). The order is that of the official S4 code, by reversed binary digits.

use super::Task;
use super::mnist_files::{CLASSES, DATA_KEYS, MNIST, PIXELS, is_there, open};
use crate::data::bit_reversal::bit_reversal;

pub(super) const TASK: Task = Task {
    name: "psmnist",
    about: "permuted MNIST: digits, pixels out of order",
    length: Some(PIXELS),
    classes: Some(CLASSES),
    paper_accuracy: Some(98.70),
    paper: include_str!("../../../configs/lra/psmnist.toml"),
    small: include_str!("../../../configs/lra/psmnist-small.toml"),
    data_keys: DATA_KEYS,
    source: "MNIST's four IDX files",
    is_there: |dir| is_there(dir, &MNIST),
    open: |config| open(config, "psmnist", &MNIST, Some(bit_reversal(PIXELS))),
};
