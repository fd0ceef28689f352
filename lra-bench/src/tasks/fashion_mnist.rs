//! Sequential Fashion-MNIST: pieces of clothing read pixel by pixel, 784 steps (Xiao et al. 2017).

use super::Task;
use super::mnist_files::{CLASSES, DATA_KEYS, PIXELS, Set, is_there, open};

pub(super) const TASK: Task = Task {
    name: "fashion-mnist",
    about: "sequential Fashion-MNIST: clothes, pixel by pixel",
    length: Some(PIXELS),
    classes: Some(CLASSES),
    paper_accuracy: None,
    paper: include_str!("../../../configs/lra/fashion-mnist.toml"),
    small: include_str!("../../../configs/lra/fashion-mnist-small.toml"),
    data_keys: DATA_KEYS,
    source: "Fashion-MNIST's four IDX files",
    is_there: |dir| is_there(dir, &FASHION_MNIST),
    open: |config| open(config, "fashion-mnist", &FASHION_MNIST, None),
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
};
