//! Sequential MNIST: handwritten digits read pixel by pixel, 784 steps (Le et al. 2015).

use super::Task;
use super::image_files::ImageFiles;
use super::mnist_files::{CLASSES, MNIST, MNIST_ARCHIVES, PIXELS, is_there, open};
use crate::metric::Metric;
use crate::section::Section;

pub(super) const TASK: Task = Task {
    name: "smnist",
    about: "sequential MNIST: digits, pixel by pixel",
    length: Some(PIXELS),
    classes: Some(CLASSES),
    metric: Metric::ACCURACY,
    published: Some(99.63),
    paper: include_str!("../../../configs/lra/smnist.toml"),
    small: include_str!("../../../configs/lra/smnist-small.toml"),
    section: Section::of::<ImageFiles>(),
    has_sample_rate: false,
    source: "MNIST's four IDX files",
    archives: MNIST_ARCHIVES,
    generate: None,
    is_there: |dir| is_there(dir, &MNIST),
    load: |task, data, _| open(task, data, &MNIST, None),
};
