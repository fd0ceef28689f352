//! What MNIST and Fashion-MNIST have in common: 28 x 28 grey images of ten classes in four IDX
//! files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, ensure};

use super::Splits;
use crate::data::hold_out::hold_out_tenth;
use crate::data::idx;
use crate::data::images::{ImageSplit, Images};
use crate::data::locate::{listed, locate};
use crate::experiment::DataConfig;
use crate::model::{InputKind, Shape};

pub(super) const PIXELS: usize = SIDE * SIDE;
pub(super) const CLASSES: usize = 10;
pub(super) const DATA_KEYS: &[&str] = &["dir", "seed"];

const SIDE: usize = 28;
const FILES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

/// A data set in these files.
pub(super) struct Set {
    /// Its name.
    pub name: &'static str,
    /// Its folder below the one for data.
    pub folder: &'static str,
    /// Where the four files are.
    pub address: &'static str,
    pub classes: [&'static str; CLASSES],
}

pub(super) const MNIST: Set = Set {
    name: "MNIST",
    folder: "mnist",
    address: "https://storage.googleapis.com/cvdf-datasets/mnist/",
    classes: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
};

/// The file in `dir`, plain or gzipped, with a dash or a dot before `idx`.
fn file(dir: &Path, file: &str) -> Option<PathBuf> {
    let dotted = file.replace("-idx", ".idx");
    [file.to_owned(), format!("{file}.gz"), dotted.clone(), format!("{dotted}.gz")]
        .iter()
        .map(|name| dir.join(name))
        .find(|path| path.is_file())
}

fn has_all(dir: &Path) -> bool {
    FILES.iter().all(|name| file(dir, name).is_some())
}

pub(super) fn is_there(dir: &Path, set: &Set) -> bool {
    locate(Some(dir), "", &[set.folder], has_all).is_ok()
}

/// The images with their pixels in `order` (row by row where absent). A tenth of the training
/// images is held out for validation.
pub(super) fn open(
    config: &DataConfig,
    task: &str,
    set: &Set,
    order: Option<Vec<usize>>,
) -> Result<Splits> {
    let dir = locate(config.dir.as_deref(), task, &[set.folder], has_all).map_err(|looked| {
        anyhow!(
            "{} is not in {}: looked for {} (.gz or not). Get the four files with `lra-bench \
             fetch-data {task} --data DIR`, or from {} (or any copy of the official ones), and \
             name their folder with --data DIR",
            set.name,
            listed(&looked),
            FILES.join(", "),
            set.address
        )
    })?;
    let read = |images: &str, labels: &str| -> Result<Arc<Images>> {
        let path = |name| file(&dir, name).with_context(|| format!("{name} went missing"));
        Ok(Arc::new(load(&path(images)?, &path(labels)?, set)?))
    };
    let train = read(FILES[0], FILES[1])?;
    let test = read(FILES[2], FILES[3])?;
    let (rest, held_out) = hold_out_tenth(train.labels.len(), config.seed);
    let all_test = (0..test.labels.len()).collect();
    let order = order.map(Arc::new);
    Ok(Splits {
        shape: Shape {
            input: InputKind::Values { features: 1 },
            classes: CLASSES as i64,
            pairs: false,
        },
        class_names: set.classes.map(str::to_owned).to_vec(),
        config: config.clone(),
        train: Arc::new(ImageSplit::new(train.clone(), rest, order.clone())),
        val: Arc::new(ImageSplit::new(train, held_out, order.clone())),
        test: Arc::new(ImageSplit::new(test, all_test, order)),
        origin: format!("{} in {}", set.name, dir.display()),
    })
}

/// Images and labels of a file pair.
fn load(images_path: &Path, labels_path: &Path, set: &Set) -> Result<Images> {
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
        labels.bytes.iter().all(|&label| usize::from(label) < CLASSES),
        "{} has labels above 9: it is not {}",
        labels_path.display(),
        set.name
    );
    Ok(Images { pixels: images.bytes, labels: labels.bytes, length: PIXELS })
}
