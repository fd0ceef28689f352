//! The density of CIFAR-10: the next of an image's 3,072 subpixels.

use toml::Table;

use super::density::{Picture, splits};
use super::image::{ARCHIVES, SOURCE, is_there, read};
use super::image_files::ImageFiles;
use super::{Splits, Task};
use crate::examples::images::Colour;
use crate::medium::Kind;
use crate::metric::Metric;
use crate::provenance::{Provenance, Published};
use anyhow::Result;

pub(super) const TASK: Task = Task {
    name: "cifar-density",
    about: "the next of 3,072 subpixels of CIFAR-10",
    kind: Some(Kind::Picture),
    length: Some(PICTURE.subpixels()),
    metric: |_| Some(Metric::BITS_PER_DIM),
    published: Some(Published { figure: 2.92, train: 45_000 }),
    provenance: |_, _| Ok(Provenance::official(true)),
    paper: include_str!("../../../configs/lra/cifar-density.toml"),
    small: include_str!("../../../configs/lra/cifar-density-small.toml"),
    source: SOURCE,
    archives: ARCHIVES,
    is_there,
    ..Task::of::<ImageFiles>(load)
};

pub(super) const PICTURE: Picture = Picture { side: 32, colours: 3 };

fn load(task: &Task, data: &Table, _: bool) -> Result<Splits> {
    let settings: ImageFiles = task.settings(data)?;
    let (dir, images) = read(task, &settings, Colour::Rgb)?;
    splits(&settings, ("CIFAR-10", &dir), PICTURE, images)
}
