//! Pathfinder: are the two marked ends on the same path? 32 x 32 pixels, read row by row
//! (Linsley et al. 2018; Long Range Arena, Tay et al. 2021).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use loader::Dataset;

use super::{Split, Splits, Task};
use crate::data::batch::{Batch, Sequences};
use crate::experiment::DataConfig;
use crate::model::{InputKind, Shape};
use crate::pathfinder::{
    Cached, DEFAULT_SPLIT_SEED, Difficulty, Generated, ImageSource, Release, Spec, Subset, split,
};

pub(super) const TASK: Task = Task {
    name: "pathfinder",
    about: "are two dots on one path? 32 x 32 pixels",
    length: Some(SIDE * SIDE),
    classes: Some(CLASSES.len()),
    paper_accuracy: Some(94.20),
    paper: include_str!("../../../configs/lra/pathfinder.toml"),
    small: include_str!("../../../configs/lra/pathfinder-small.toml"),
    data_keys: DATA_KEYS,
    source: "generated, or the official release",
    is_there: |dir| is_there(dir, SIDE),
    open: |config| open(config, SIDE),
};

const SIDE: usize = 32;
pub(super) const CLASSES: [&str; 2] = ["apart", "joined"];
const SHAPE: Shape = Shape { input: InputKind::Values { features: 1 }, classes: 2, pairs: false };
pub(super) const DATA_KEYS: &[&str] =
    &["dir", "difficulty", "count", "eval_count", "seed", "cache"];
/// Sizes of the release's parts, about.
const DEFAULT_COUNT: u64 = 160_000;
const DEFAULT_EVAL_COUNT: u64 = 20_000;

pub(super) fn is_there(dir: &Path, side: usize) -> bool {
    Release::open(dir, side, Difficulty::Hard).is_ok()
}

/// The release in `config.dir`, or generated images.
pub(super) fn open(config: &DataConfig, side: usize) -> Result<Splits> {
    let difficulty = config.difficulty.unwrap_or(Difficulty::Hard);
    let class_names = CLASSES.map(str::to_owned).to_vec();
    match &config.dir {
        Some(dir) => {
            let release = Release::open(dir, side, difficulty)?;
            let origin = format!("official layout in {}", release.folder().display());
            let parts = split(release.len(), config.seed.unwrap_or(DEFAULT_SPLIT_SEED));
            let release: Arc<dyn ImageSource> = Arc::new(release);
            let part = |indices| -> Result<Split> {
                Ok(Arc::new(Pixels(Subset::new(release.clone(), indices)?)))
            };
            Ok(Splits {
                shape: SHAPE,
                class_names,
                config: config.clone(),
                train: part(parts.train)?,
                val: part(parts.val)?,
                test: part(parts.test)?,
                origin,
            })
        }
        None => {
            let spec = Spec::official(side, difficulty)?;
            let count = config.count.unwrap_or(DEFAULT_COUNT);
            let eval_count = config.eval_count.unwrap_or(DEFAULT_EVAL_COUNT);
            let counts = [count, eval_count, eval_count];
            let folder = config.cache.clone().unwrap_or_else(|| PathBuf::from("data/cache"));
            let parts = Generated::parts(spec, config.seed.unwrap_or(0), counts)?;
            let mut parts = parts.into_iter().map(|part| -> Result<Split> {
                Ok(Arc::new(Pixels(Cached::open(&folder, part)?)))
            });
            let mut next = || parts.next().expect("three parts");
            Ok(Splits {
                shape: SHAPE,
                class_names,
                config: config.clone(),
                train: next()?,
                val: next()?,
                test: next()?,
                origin: format!(
                    "no --data, so {count} {difficulty} images of {side} x {side} (and twice \
                     {eval_count} to evaluate) are generated as they are needed and kept in {}",
                    folder.display()
                ),
            })
        }
    }
}

/// Images as sequences of pixels.
struct Pixels<S>(S);

impl<S: ImageSource> Dataset for Pixels<S> {
    type Batch = Batch;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch> {
        let length = self.0.side() * self.0.side();
        let mut bytes = vec![0; indices.len() * length];
        let mut labels = Vec::with_capacity(indices.len());
        for (&index, pixels) in indices.iter().zip(bytes.chunks_exact_mut(length)) {
            labels.push(self.0.get(index, pixels)?.into());
        }
        Ok(Batch { sequences: Sequences::Bytes(bytes), length, lengths: None, labels })
    }
}
