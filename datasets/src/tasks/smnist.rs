//! Sequential MNIST: handwritten digits read pixel by pixel, 784 steps (Le et al. 2015).

use super::Task;
use super::image_files::ImageFiles;
use super::mnist_files::{CLASSES, MNIST, PIXELS, inputs, is_there, open};
use crate::medium::Kind;
use crate::provenance::{Provenance, Published};

pub(super) const TASK: Task = Task {
    name: "smnist",
    about: "sequential MNIST: digits, pixel by pixel",
    kind: Some(Kind::Picture),
    length: Some(PIXELS),
    classes: Some(CLASSES),
    published: Some(Published { figure: 99.63, train: 54_000 }),
    provenance: |_, _| Ok(Provenance::official(true)),
    paper: include_str!("../../../configs/lra/smnist.toml"),
    small: include_str!("../../../configs/lra/smnist-small.toml"),
    source: "MNIST's four IDX files",
    archives: &MNIST.archives(),
    is_there: |dir| is_there(dir, &MNIST),
    read: Some(|_, _| Ok(inputs(&MNIST, None))),
    ..Task::of::<ImageFiles>(|task, data, _| open(task, data, &MNIST, None))
};
