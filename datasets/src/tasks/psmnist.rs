//! Permuted sequential MNIST: the pixels of all digits in one order that leaves no picture, 784
//! steps (Le et al. 2015). The order is that of the official S4 code, by reversed binary digits.

use super::Task;
use super::image_files::ImageFiles;
use super::mnist_files::{CLASSES, MNIST, PIXELS, inputs, is_there, open};
use crate::bit_reversal::bit_reversal;
use crate::medium::Kind;
use crate::provenance::{Provenance, Published};

pub(super) const TASK: Task = Task {
    name: "psmnist",
    about: "permuted MNIST: digits, pixels out of order",
    kind: Some(Kind::Picture),
    length: Some(PIXELS),
    classes: Some(CLASSES),
    published: Some(Published { figure: 98.70, train: 54_000 }),
    provenance: |_, _| Ok(Provenance::official(true)),
    paper: include_str!("../../../configs/lra/psmnist.toml"),
    small: include_str!("../../../configs/lra/psmnist-small.toml"),
    source: "MNIST's four IDX files",
    archives: &MNIST.archives(),
    is_there: |dir| is_there(dir, &MNIST),
    read: Some(|_, _| Ok(inputs(&MNIST, Some(bit_reversal(PIXELS))))),
    ..Task::of::<ImageFiles>(|task, data, _| open(task, data, &MNIST, Some(bit_reversal(PIXELS))))
};
