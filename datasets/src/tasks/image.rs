//! Image: grey CIFAR-10 read pixel by pixel, 1,024 steps (Long Range Arena, Tay et al. 2021).

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use toml::Table;

use super::image_files::ImageFiles;
use super::{Splits, Task};
use crate::examples::images::{Colour, Images, Moments};
use crate::fetch::checksum::Checksum;
use crate::fetch::{Archive, Packing};
use crate::formats::cifar::{self, CLASSES, PIXELS};
use crate::inputs::Inputs;
use crate::locate::{listed, locate};
use crate::medium::{Kind, Medium, Pictures};
use crate::provenance::{Provenance, Published};
use crate::split::Split;

pub(super) const TASK: Task = Task {
    name: "image",
    about: "grey CIFAR-10, pixel by pixel",
    kind: Some(Kind::Picture),
    length: Some(PIXELS),
    classes: Some(CLASSES.len()),
    published: Some(Published { figure: 88.65, train: 45_000 }),
    provenance: |_, _| Ok(Provenance::official(true)),
    paper: include_str!("../../../configs/lra/image.toml"),
    small: include_str!("../../../configs/lra/image-small.toml"),
    source: SOURCE,
    archives: ARCHIVES,
    is_there,
    read: Some(|_, _| Ok(inputs(Colour::Grey, &[MOMENTS]))),
    ..Task::of::<ImageFiles>(|task, data, _| open(task, data, Colour::Grey, &[MOMENTS]))
};

/// Pixels a row, and rows.
const SIDE: usize = 32;
/// The official experiment's.
const MOMENTS: Moments = Moments { mean: 122.6 / 255.0, std: 61.0 / 255.0 };

pub(super) const SOURCE: &str = "CIFAR-10's binary batches";
pub(super) const ARCHIVES: &[Archive] = &[Archive {
    url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    file: "cifar-10-binary.tar.gz",
    size: Some(170_052_171),
    checksum: Some(Checksum::Md5("c32a1d4ab5d03f1284b67883e8d87530")),
    packing: Packing::TarGz { folder: "cifar-10-batches-bin", bare: false },
}];
/// What the official archive unpacks to.
const FOLDERS: &[&str] = &["cifar-10-batches-bin"];

pub(super) fn is_there(dir: &Path) -> bool {
    locate(Some(dir), "", FOLDERS, cifar::is_there).is_ok()
}

/// Pictures as CIFAR-10's are read.
pub(super) fn inputs(colour: Colour, moments: &[Moments]) -> Inputs {
    let shape = ImageFiles::shape(moments.len() as i64, CLASSES);
    let images = Images::grey(Vec::new(), Vec::new(), PIXELS).standardised(moments);
    Inputs::pictures(shape, (SIDE as u32, SIDE as u32), colour, move |pixels| {
        images.sequence(pixels)
    })
}

/// CIFAR-10 with one of the moments for each feature of a pixel.
pub(super) fn open(
    task: &Task,
    data: &Table,
    colour: Colour,
    moments: &[Moments],
) -> Result<Splits> {
    let settings: ImageFiles = task.settings(data)?;
    let (dir, images) = read(task, &settings, colour)?;
    let splits = images.map(|images| Split::new(images.standardised(moments)));
    let pictures =
        Pictures { colours: moments.len(), moments: moments.to_vec(), ..Pictures::grey(SIDE) };
    let shape = ImageFiles::shape(moments.len() as i64, CLASSES);
    settings.splits(("CIFAR-10", &dir), shape, Medium::Pictures(pictures), splits)
}

/// The folder with the files, and the images to train on and to test.
pub(super) fn read(
    task: &Task,
    settings: &ImageFiles,
    colour: Colour,
) -> Result<(PathBuf, [Images; 2])> {
    let name = task.name;
    let found = locate(settings.dir.as_deref(), name, FOLDERS, cifar::is_there);
    let dir = found.map_err(|looked| {
        anyhow!(
            "CIFAR-10's binary version (data_batch_1.bin to data_batch_5.bin and test_batch.bin) \
             is not in {}. Get it with `lra-bench fetch-data {name} --data DIR`, or unpack \
             https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz, and name its folder with \
             --data DIR",
            listed(&looked)
        )
    })?;
    let (train, test) = cifar::read(&dir, colour)?;
    Ok((dir, [train, test]))
}
