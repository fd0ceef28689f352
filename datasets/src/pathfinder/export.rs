//! Writing generated images in the published layout.
//!
//! Images are written in batches of [`BATCH`]. A batch's folder is filled under another name,
//! flushed and renamed; its metadata file comes last and makes it complete. After an interruption
//! of any kind the folder therefore holds complete batches, which the next run keeps, and at most
//! left-overs that it replaces. A manifest says what the folder is made of.

use std::fs;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ::pathfinder::spec::GENERATOR_VERSION;
use anyhow::{Context, Result, ensure};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use program::files::{self, Lock, cannot, create_folder, write_synced};

use super::png_image;
use super::{Description, Generator, Spec};

/// Images in a batch; the last may have fewer.
pub const BATCH: u64 = 1000;

/// Name of the manifest in a level's folder.
pub const MANIFEST: &str = "generated.json";

/// What a folder of generated images is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Manifest {
    generator_version: u32,
    seed: u64,
    images: u64,
    images_a_batch: u64,
    spec: Spec,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The folder of the level.
    pub folder: PathBuf,
    /// Images found complete and kept.
    pub kept: u64,
    /// Images written.
    pub written: u64,
    /// Whether the progress callback ended it early. The same call again goes on.
    pub interrupted: bool,
}

/// Writes images 0 to `count` of a seed to `{out_dir}/pathfinder{size}/{level}`, on all threads.
///
/// `progress` is called with the number of images done after every image, from any thread; when it breaks, the batches begun are
/// dropped and the call returns. Complete batches of an earlier call with the same specification
/// and seed are kept, and `count` may be larger than then.
///
/// # Errors
/// If the folder holds other images, if `count` is smaller than before, or if something cannot be
/// written: the message says what and why, and what to do.
pub fn write_release(
    out_dir: &Path,
    spec: &Spec,
    count: u64,
    seed: u64,
    progress: &(dyn Fn(u64) -> ControlFlow<()> + Sync),
) -> Result<Summary> {
    ensure!(count > 0, "no images were asked for: count must be at least 1");
    let generator = Generator::new(spec.clone(), seed)?;
    let folder = out_dir.join(spec.folder()).join(spec.difficulty.folder());
    let wanted = Manifest {
        generator_version: GENERATOR_VERSION,
        seed,
        images: count,
        images_a_batch: BATCH,
        spec: spec.clone(),
    };
    create_folder(&folder)?;
    let _lock = Lock::take(&folder)?;
    prepare(&folder, &wanted)?;

    let done = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let mut summary = Summary { folder: folder.clone(), kept: 0, written: 0, interrupted: false };
    let report = |images: u64| {
        let done = done.fetch_add(images, Ordering::Relaxed) + images;
        if progress(done).is_break() {
            stop.store(true, Ordering::Relaxed);
        }
    };
    for batch in 0..count.div_ceil(BATCH) {
        let images = BATCH.min(count - batch * BATCH);
        if is_complete(&folder, batch, images)? {
            summary.kept += images;
            report(images);
        } else if write_batch(&generator, &folder, batch, images, &report, &stop)? {
            summary.written += images;
        }
        if stop.load(Ordering::Relaxed) {
            summary.interrupted = summary.kept + summary.written < count;
            break;
        }
    }
    Ok(summary)
}

/// Creates the level's folder, or sees to it that what is in it is of the same kind.
fn prepare(folder: &Path, wanted: &Manifest) -> Result<()> {
    create_folder(&folder.join("imgs"))?;
    create_folder(&folder.join("metadata"))?;
    for folder in [folder, &folder.join("metadata")] {
        files::remove_partial(folder).map_err(cannot("clear", folder))?;
    }
    let path = folder.join(MANIFEST);
    match fs::read(&path) {
        Ok(bytes) => {
            let found: Manifest = serde_json::from_slice(&bytes).with_context(|| {
                format!(
                    "the manifest {} cannot be understood: choose another folder, or remove {} \
                     if its images are no longer needed",
                    path.display(),
                    folder.display()
                )
            })?;
            let mut comparable = found.clone();
            comparable.images = wanted.images;
            ensure!(
                comparable == *wanted,
                "{} holds images of seed {} made by generator version {} with other settings than \
                 now asked for (seed {}, version {}): choose another folder, or remove it if its \
                 images are no longer needed. Found {:?}, asked for {:?}",
                folder.display(),
                found.seed,
                found.generator_version,
                wanted.seed,
                wanted.generator_version,
                found.spec,
                wanted.spec
            );
            ensure!(
                found.images <= wanted.images,
                "{} was begun with {} images, more than the {} now asked for: ask for at least as \
                 many, or choose another folder",
                folder.display(),
                found.images,
                wanted.images
            );
            if found.images == wanted.images {
                return Ok(());
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            for part in ["imgs", "metadata"] {
                let part = folder.join(part);
                let mut list = fs::read_dir(&part).map_err(cannot("read", &part))?;
                ensure!(
                    list.next().is_none(),
                    "{} already holds images that this program did not make (there is no {MANIFEST}): \
                     choose another folder",
                    folder.display()
                );
            }
        }
        Err(error) => return Err(cannot("read the manifest", &path)(error)),
    }
    files::write(&path, &serde_json::to_vec_pretty(wanted)?)
}

/// Whether a batch is there with this number of images.
fn is_complete(folder: &Path, batch: u64, images: u64) -> Result<bool> {
    let path = metadata_path(folder, batch);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.lines().count() as u64 == images
            && folder.join("imgs").join(batch.to_string()).is_dir()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(cannot("read the metadata", &path)(error)),
    }
}

fn metadata_path(folder: &Path, batch: u64) -> PathBuf {
    folder.join("metadata").join(format!("{batch}.npy"))
}

/// Writes a batch; false if it was stopped.
fn write_batch(
    generator: &Generator,
    folder: &Path,
    batch: u64,
    images: u64,
    report: &(dyn Fn(u64) + Sync),
    stop: &AtomicBool,
) -> Result<bool> {
    let place = folder.join("imgs").join(batch.to_string());
    let aside = folder.join("imgs").join(format!(".{batch}.partial"));
    let metadata = metadata_path(folder, batch);
    // An incomplete batch, or a shorter one that grows: first it stops being listed.
    for left_over in [&metadata, &place, &aside] {
        files::remove(left_over)?;
    }
    create_folder(&aside)?;

    let written: Result<Vec<Option<String>>> = (0..images)
        .into_par_iter()
        .map_init(
            || vec![0; generator.spec().pixels()],
            |pixels, number| {
                if stop.load(Ordering::Relaxed) {
                    return Ok(None);
                }
                let image = generator.generate(batch * BATCH + number, pixels)?;
                let png = png_image::encode(generator.spec().size, pixels)?;
                write_synced(&aside.join(format!("sample_{number}.png")), &png)?;
                report(1);
                Ok(Some(metadata_line(generator.spec(), batch, number, &image)))
            },
        )
        .collect();
    let lines: Option<Vec<String>> = match written {
        Ok(lines) => lines.into_iter().collect(),
        Err(error) => {
            // Frees the space again; the first error is the one to report.
            let _ = fs::remove_dir_all(&aside);
            return Err(error);
        }
    };
    let Some(lines) = lines else {
        files::remove(&aside)?;
        return Ok(false);
    };
    files::rename(&aside, &place).map_err(cannot("rename to", &place))?;
    files::write(&metadata, lines.concat().as_bytes())?;
    Ok(true)
}

/// An image's line of metadata, with numbers written as the published files have them.
fn metadata_line(spec: &Spec, batch: u64, number: u64, image: &Description) -> String {
    format!(
        "imgs/{batch} sample_{number}.png {number} {} {:?} {} {} {} {} {} {}\n",
        image.label,
        spec.continuity,
        spec.contour_length,
        spec.distractor_length,
        spec.paddle_length,
        spec.paddle_thickness,
        image.margin,
        spec.paddle_contrasts.len()
    )
}
