//! Sequential CIFAR-10: colour images read pixel by pixel, 1,024 steps of three values.

use super::Task;
use super::image::{DATA_KEYS, SOURCE, is_there, open};
use crate::data::cifar::{CLASSES, Colour, PIXELS};
use crate::data::images::Moments;

pub(super) const TASK: Task = Task {
    name: "scifar",
    about: "sequential CIFAR-10: colour images, pixel by pixel",
    length: Some(PIXELS),
    classes: Some(CLASSES.len()),
    paper_accuracy: Some(91.1),
    paper: include_str!("../../../configs/lra/scifar.toml"),
    small: include_str!("../../../configs/lra/scifar-small.toml"),
    data_keys: DATA_KEYS,
    source: SOURCE,
    is_there,
    open: |config| open(config, "scifar", Colour::Rgb, &MOMENTS),
};

/// Of red, green and blue: the official experiment's.
const MOMENTS: [Moments; 3] = [
    Moments { mean: 0.4914, std: 0.247 },
    Moments { mean: 0.4822, std: 0.243 },
    Moments { mean: 0.4465, std: 0.261 },
];
