//! Sequential MNIST: handwritten digits read pixel by pixel, 784 steps (Le et al. 2015).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::{Splits, Task};
use crate::data::idx;
use crate::data::images::{ImageSplit, Images};
use crate::experiment::DataConfig;
use crate::model::{InputKind, Shape};

pub(super) const TASK: Task = Task {
    name: "smnist",
    about: "sequential MNIST: digits, pixel by pixel",
    length: SIDE * SIDE,
    shape: Shape { input: InputKind::Values { features: 1 }, classes: 10, pairs: false },
    paper_accuracy: Some(99.63),
    paper: include_str!("../../../configs/lra/smnist.toml"),
    small: include_str!("../../../configs/lra/smnist-small.toml"),
    data_keys: &["dir", "seed"],
    source: "MNIST's four IDX files",
    is_there: |dir| FILES.iter().all(|file| locate(dir, file).is_some()),
    open,
};

const SIDE: usize = 28;
const CLASSES: u8 = 10;
/// The official experiments keep a tenth of the training images for validation.
const VALIDATION_SHARE: usize = 10;
const DEFAULT_SEED: u64 = 42;
const FILES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

/// The file in `dir`, plain or gzipped, with a dash or a dot before `idx`.
fn locate(dir: &Path, file: &str) -> Option<PathBuf> {
    let dotted = file.replace("-idx", ".idx");
    [file.to_owned(), format!("{file}.gz"), dotted.clone(), format!("{dotted}.gz")]
        .iter()
        .map(|name| dir.join(name))
        .find(|path| path.is_file())
}

fn open(config: &DataConfig) -> Result<Splits> {
    let dir = config.dir.clone().unwrap_or_else(|| PathBuf::from("data/mnist"));
    let paths = FILES.iter().map(|file| locate(&dir, file)).collect::<Option<Vec<_>>>();
    let paths = paths.with_context(|| {
        format!(
            "MNIST is not in {}: looked for {} (.gz or not). Get the four files from \
             https://storage.googleapis.com/cvdf-datasets/mnist/ (or any copy of the official \
             ones) and name their folder with --data DIR",
            dir.display(),
            FILES.join(", ")
        )
    })?;
    let train = Arc::new(load(&paths[0], &paths[1])?);
    let test = Arc::new(load(&paths[2], &paths[3])?);
    let mut order: Vec<usize> = (0..train.labels.len()).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(config.seed.unwrap_or(DEFAULT_SEED)));
    let val = order.split_off(order.len() - order.len() / VALIDATION_SHARE);
    let all_test = (0..test.labels.len()).collect();
    Ok(Splits {
        train: Arc::new(ImageSplit::new(train.clone(), order, None)),
        val: Arc::new(ImageSplit::new(train, val, None)),
        test: Arc::new(ImageSplit::new(test, all_test, None)),
        origin: format!("MNIST in {}", dir.display()),
    })
}

/// Images and labels of a file pair.
fn load(images_path: &Path, labels_path: &Path) -> Result<Images> {
    let images = idx::read(images_path)?;
    let labels = idx::read(labels_path)?;
    let unusable = || format!("{} and {}", images_path.display(), labels_path.display());
    ensure!(
        matches!(images.dims.as_slice(), [_, SIDE, SIDE]),
        "{} holds arrays of {:?}, expected images of {SIDE} x {SIDE}",
        images_path.display(),
        images.dims
    );
    ensure!(
        labels.dims == images.dims[..1] && labels.dims[0] > 0,
        "{}: {} images, labels {:?}; they do not belong together",
        unusable(),
        images.dims[0],
        labels.dims
    );
    ensure!(
        labels.bytes.iter().all(|&label| label < CLASSES),
        "{} has labels above 9: it is not MNIST",
        labels_path.display()
    );
    Ok(Images { pixels: images.bytes, labels: labels.bytes, length: SIDE * SIDE })
}
