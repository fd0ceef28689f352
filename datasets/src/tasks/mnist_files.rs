//! What MNIST and Fashion-MNIST have in common: 28 x 28 grey images of ten classes in four IDX
//! files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, ensure};
use toml::Table;

use super::image_files::ImageFiles;
use super::{Splits, Task};
use crate::examples::images::{Colour, Images};
use crate::fetch::checksum::Checksum;
use crate::fetch::{Archive, Packing};
use crate::formats::idx;
use crate::inputs::Inputs;
use crate::locate::{listed, locate};
use crate::medium::{Medium, Pictures};
use crate::split::Split;

pub(super) const PIXELS: usize = SIDE * SIDE;
pub(super) const CLASSES: usize = 10;

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
    /// The folder that the four files are in.
    pub address: &'static str,
    pub classes: [&'static str; CLASSES],
    /// Size and MD5 of each file.
    pub files: [(u64, &'static str); 4],
}

impl Set {
    pub(super) const fn archives(&self) -> [Archive; 4] {
        let [a, b, c, d] = self.files;
        [
            self.archive("train-images-idx3-ubyte.gz", a),
            self.archive("train-labels-idx1-ubyte.gz", b),
            self.archive("t10k-images-idx3-ubyte.gz", c),
            self.archive("t10k-labels-idx1-ubyte.gz", d),
        ]
    }

    const fn archive(&self, file: &'static str, (size, md5): (u64, &'static str)) -> Archive {
        let (size, checksum) = (Some(size), Some(Checksum::Md5(md5)));
        Archive {
            url: self.address,
            file,
            size,
            checksum,
            packing: Packing::Plain { folder: self.folder },
        }
    }
}

pub(super) const MNIST: Set = Set {
    name: "MNIST",
    folder: "mnist",
    address: "https://storage.googleapis.com/cvdf-datasets/mnist/",
    classes: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    files: [
        (9_912_422, "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        (28_881, "d53e105ee54ea40749a09fcbcd1e9432"),
        (1_648_877, "9fb629c4189551a2d022fa330f9573f3"),
        (4_542, "ec29112dd5afa0611ce80d1b7f02629c"),
    ],
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

/// Images as those of the set are read, with their pixels in `order`.
pub(super) fn inputs(set: &Set, order: Option<Vec<usize>>) -> Inputs {
    let images = Images::grey(Vec::new(), Vec::new(), PIXELS);
    let images = match order {
        Some(order) => images.in_order(Arc::new(order)),
        None => images,
    };
    let (shape, size) = (ImageFiles::shape(1, set.classes), (SIDE as u32, SIDE as u32));
    Inputs::pictures(shape, size, Colour::Grey, move |pixels| images.sequence(pixels))
}

/// The images with their pixels in `order` (`None`: row by row).
pub(super) fn open(
    task: &Task,
    data: &Table,
    set: &Set,
    order: Option<Vec<usize>>,
) -> Result<Splits> {
    let settings: ImageFiles = task.settings(data)?;
    let (dir, images) = read(task, &settings, set)?;
    let order = order.map(Arc::new);
    let splits = images.map(|images| {
        Split::new(match &order {
            Some(order) => images.in_order(order.clone()),
            None => images,
        })
    });
    let medium = Medium::Pictures(Pictures { order, ..Pictures::grey(SIDE) });
    settings.splits((set.name, &dir), ImageFiles::shape(1, set.classes), medium, splits)
}

/// The folder with the files, and the images to train on and to test.
pub(super) fn read(
    task: &Task,
    settings: &ImageFiles,
    set: &Set,
) -> Result<(PathBuf, [Images; 2])> {
    let name = task.name;
    let dir = locate(settings.dir.as_deref(), name, &[set.folder], has_all).map_err(|looked| {
        anyhow!(
            "{} is not in {}: looked for {} (.gz or not). Get the four files with `lra-bench \
             fetch-data {name} --data DIR`, or from {} (or any copy of the official ones), and \
             name their folder with --data DIR",
            set.name,
            listed(&looked),
            FILES.join(", "),
            set.address
        )
    })?;
    let path = |name| file(&dir, name).with_context(|| format!("{name} went missing"));
    let read = |images, labels| load(&path(images)?, &path(labels)?, set);
    let images = [read(FILES[0], FILES[1])?, read(FILES[2], FILES[3])?];
    Ok((dir, images))
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
    Ok(Images::grey(images.bytes, labels.bytes, PIXELS))
}
