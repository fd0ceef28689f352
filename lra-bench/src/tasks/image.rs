//! Image: grey CIFAR-10 read pixel by pixel, 1,024 steps (Long Range Arena, Tay et al. 2021).

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, anyhow};

use super::{Splits, Task};
use crate::data::cifar::{self, CLASSES, Colour, PIXELS};
use crate::data::hold_out::hold_out_tenth;
use crate::data::images::{ImageSplit, Moments};
use crate::data::locate::{listed, locate};
use crate::experiment::DataConfig;
use crate::model::{InputKind, Shape};

pub(super) const TASK: Task = Task {
    name: "image",
    about: "grey CIFAR-10, pixel by pixel",
    length: Some(PIXELS),
    classes: Some(CLASSES.len()),
    paper_accuracy: Some(88.65),
    paper: include_str!("../../../configs/lra/image.toml"),
    small: include_str!("../../../configs/lra/image-small.toml"),
    data_keys: DATA_KEYS,
    source: SOURCE,
    is_there,
    open: |config| open(config, "image", Colour::Grey, &[MOMENTS]),
};

/// The official experiment's.
const MOMENTS: Moments = Moments { mean: 122.6 / 255.0, std: 61.0 / 255.0 };

pub(super) const DATA_KEYS: &[&str] = &["dir", "seed"];
pub(super) const SOURCE: &str = "CIFAR-10's binary batches";
/// What the official archive unpacks to.
const FOLDERS: &[&str] = &["cifar-10-batches-bin"];

pub(super) fn is_there(dir: &Path) -> bool {
    locate(Some(dir), "", FOLDERS, cifar::is_there).is_ok()
}

/// CIFAR-10 with one of the moments for each feature of a pixel. A tenth of the training images is
/// held out for validation.
pub(super) fn open(
    config: &DataConfig,
    task: &str,
    colour: Colour,
    moments: &[Moments],
) -> Result<Splits> {
    let found = locate(config.dir.as_deref(), task, FOLDERS, cifar::is_there);
    let dir = found.map_err(|looked| {
        anyhow!(
            "CIFAR-10's binary version (data_batch_1.bin to data_batch_5.bin and test_batch.bin) \
             is not in {}. Get it with `lra-bench fetch-data {task} --data DIR`, or unpack \
             https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz, and name its folder with \
             --data DIR",
            listed(&looked)
        )
    })?;
    let (train, test) = cifar::read(&dir, colour)?;
    let (train, test) = (Arc::new(train), Arc::new(test));
    let (rest, held_out) = hold_out_tenth(train.labels.len(), config.seed);
    let all_test = (0..test.labels.len()).collect();
    Ok(Splits {
        shape: Shape {
            input: InputKind::Values { features: moments.len() as i64 },
            classes: CLASSES.len() as i64,
            pairs: false,
        },
        class_names: CLASSES.map(str::to_owned).to_vec(),
        config: config.clone(),
        origin: format!(
            "CIFAR-10 in {}: {} images to train on, {} to validate, {} to test",
            dir.display(),
            rest.len(),
            held_out.len(),
            test.labels.len()
        ),
        train: Arc::new(ImageSplit::standardised(train.clone(), rest, moments)),
        val: Arc::new(ImageSplit::standardised(train, held_out, moments)),
        test: Arc::new(ImageSplit::standardised(test, all_test, moments)),
    })
}
