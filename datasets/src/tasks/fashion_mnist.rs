//! Sequential Fashion-MNIST: pieces of clothing read pixel by pixel, 784 steps (Xiao et al. 2017).

use super::Task;
use super::image_files::ImageFiles;
use super::mnist_files::{CLASSES, PIXELS, Set, inputs, is_there, open};
use crate::medium::Kind;
use crate::provenance::Provenance;

pub(super) const TASK: Task = Task {
    name: "fashion-mnist",
    about: "sequential Fashion-MNIST: clothes, pixel by pixel",
    kind: Some(Kind::Picture),
    length: Some(PIXELS),
    classes: Some(CLASSES),
    provenance: |_, _| Ok(Provenance::official(true)),
    paper: include_str!("../../../configs/lra/fashion-mnist.toml"),
    small: include_str!("../../../configs/lra/fashion-mnist-small.toml"),
    source: "Fashion-MNIST's four IDX files",
    archives: &FASHION_MNIST.archives(),
    is_there: |dir| is_there(dir, &FASHION_MNIST),
    read: Some(|_, _| Ok(inputs(&FASHION_MNIST, None))),
    ..Task::of::<ImageFiles>(|task, data, _| open(task, data, &FASHION_MNIST, None))
};

const FASHION_MNIST: Set = Set {
    name: "Fashion-MNIST",
    folder: "fashion-mnist",
    address: "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    classes: [
        "T-shirt/top",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    ],
    files: [
        (26_421_880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        (29_515, "25c81989df183df01b3e8a0aad5dffbe"),
        (4_422_102, "bef4ecab320f06d8554ea6380940ec79"),
        (5_148, "bb300cfdad3c16e7a12a480ee83cd310"),
    ],
};
