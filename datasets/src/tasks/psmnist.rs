//! Permuted sequential MNIST: the pixels of all digits in one order that leaves no picture, 784
//! steps (Le et al. 2015). The order is that of the official S4 code, by reversed binary digits.

use super::Task;
use super::image_files::ImageFiles;
use super::mnist_files::{CLASSES, MNIST, MNIST_ARCHIVES, PIXELS, is_there, open};
use crate::bit_reversal::bit_reversal;
use crate::metric::Metric;
use crate::section::Section;

pub(super) const TASK: Task = Task {
    name: "psmnist",
    about: "permuted MNIST: digits, pixels out of order",
    length: Some(PIXELS),
    classes: Some(CLASSES),
    metric: Metric::ACCURACY,
    published: Some(98.70),
    paper: include_str!("../../../configs/lra/psmnist.toml"),
    small: include_str!("../../../configs/lra/psmnist-small.toml"),
    section: Section::of::<ImageFiles>(),
    has_sample_rate: false,
    source: "MNIST's four IDX files",
    archives: MNIST_ARCHIVES,
    generate: None,
    is_there: |dir| is_there(dir, &MNIST),
    load: |task, data, _| open(task, data, &MNIST, Some(bit_reversal(PIXELS))),
};
