//! Sequential CIFAR-10: colour images read pixel by pixel, 1,024 steps of three values.

use super::Task;
use super::image::{ARCHIVES, SOURCE, inputs, is_there, open};
use super::image_files::ImageFiles;
use crate::examples::images::{Colour, Moments};
use crate::formats::cifar::{CLASSES, PIXELS};
use crate::medium::Kind;
use crate::provenance::{Provenance, Published};

pub(super) const TASK: Task = Task {
    name: "scifar",
    about: "sequential CIFAR-10: colour images, pixel by pixel",
    kind: Some(Kind::Picture),
    length: Some(PIXELS),
    classes: Some(CLASSES.len()),
    published: Some(Published { figure: 91.1, train: 45_000 }),
    provenance: |_, _| Ok(Provenance::official(true)),
    paper: include_str!("../../../configs/lra/scifar.toml"),
    small: include_str!("../../../configs/lra/scifar-small.toml"),
    source: SOURCE,
    archives: ARCHIVES,
    is_there,
    read: Some(|_, _| Ok(inputs(Colour::Rgb, &MOMENTS))),
    ..Task::of::<ImageFiles>(|task, data, _| open(task, data, Colour::Rgb, &MOMENTS))
};

/// Mean and deviation of red, green and blue: the official experiment's.
const MOMENTS: [Moments; 3] = [
    Moments { mean: 0.4914, std: 0.247 },
    Moments { mean: 0.4822, std: 0.243 },
    Moments { mean: 0.4465, std: 0.261 },
];
