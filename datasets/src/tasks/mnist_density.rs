//! The density of MNIST: the next of a digit's 784 pixels.

use anyhow::Result;
use toml::Table;

use super::density::{Picture, splits};
use super::image_files::ImageFiles;
use super::mnist_files::{MNIST, is_there, read};
use super::{Splits, Task};
use crate::medium::Kind;
use crate::metric::Metric;
use crate::provenance::Provenance;

pub(super) const TASK: Task = Task {
    name: "mnist-density",
    about: "the next of 784 pixels of MNIST",
    kind: Some(Kind::Picture),
    length: Some(PICTURE.subpixels()),
    metric: |_| Some(Metric::BITS_PER_DIM),
    provenance: |_, _| Ok(Provenance::official(false)),
    paper: include_str!("../../../configs/lra/mnist-density.toml"),
    small: include_str!("../../../configs/lra/mnist-density-small.toml"),
    source: "MNIST's four IDX files",
    archives: &MNIST.archives(),
    is_there: |dir| is_there(dir, &MNIST),
    ..Task::of::<ImageFiles>(load)
};

pub(super) const PICTURE: Picture = Picture { side: 28, colours: 1 };

fn load(task: &Task, data: &Table, _: bool) -> Result<Splits> {
    let settings: ImageFiles = task.settings(data)?;
    let (dir, images) = read(task, &settings, &MNIST)?;
    splits(&settings, ("MNIST", &dir), PICTURE, images)
}
