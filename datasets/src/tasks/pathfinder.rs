//! Pathfinder: are the two marked ends on the same path? 32 x 32 pixels, read row by row
//! (Linsley et al. 2018; Long Range Arena, Tay et al. 2021).

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::Result;
use program::config::to_table;
use program::files::CACHE;
use program::findings::Findings;
use program::interrupt;
use program::progress::Progress;
use s4_config::Input;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use smart_default::SmartDefault;
use toml::Table;

use super::generate::{Outcome, Request};
use super::{Splits, Task, lra_release};
use crate::batch::Sequences;
use crate::examples::images::Colour;
use crate::hold_out::{DEFAULT_SEED, hold_out_tenths};
use crate::inputs::Inputs;
use crate::medium::{Kind, Medium, Motif, Pictures};
use crate::pathfinder::{
    Cached, Difficulty, Generated, ImageSource, Pixels, Release, Spec, write_release,
};
use crate::provenance::{Provenance, Published};
use crate::shape::{Shape, Target};
use crate::split::Split;

pub(super) const TASK: Task = Task {
    name: "pathfinder",
    about: "are two dots on one path? 32 x 32 pixels",
    published: Some(Published { figure: 94.20, train: 160_000 }),
    paper: include_str!("../../../configs/lra/pathfinder.toml"),
    small: include_str!("../../../configs/lra/pathfinder-small.toml"),
    ..of_side::<32>()
};

const CLASSES: [&str; 2] = ["apart", "joined"];

/// What tasks on images of this side have in common.
pub(super) const fn of_side<const SIDE: usize>() -> Task {
    Task {
        kind: Some(Kind::Path),
        length: Some(SIDE * SIDE),
        classes: Some(CLASSES.len()),
        source: "generated, or the official release",
        archives: lra_release::ARCHIVES,
        generate: Some(|request| generate(request, SIDE)),
        is_there: |dir| Release::open(dir, SIDE, Difficulty::Hard).is_ok(),
        read: Some(|_, _| Ok(inputs(SIDE))),
        provenance,
        ..Task::of::<Data>(|task, data, _| open(&task.settings(data)?, SIDE))
    }
}

/// Where images come from.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Data {
    /// Folder with the official release, or images in its layout; generated where it is missing.
    dir: Option<PathBuf>,
    /// `easy`, `intermediate` or `hard`.
    difficulty: Difficulty,
    /// Number of generated images to train on; about as many are in the release.
    #[default(160_000)]
    count: u64,
    /// Number of generated images to validate, and to test.
    #[default(20_000)]
    eval_count: u64,
    /// Seed of generated images (0 where it is missing), or of the division of the release (42).
    seed: Option<u64>,
    /// Folder that generated images are kept in.
    #[default(CACHE.into())]
    cache: PathBuf,
}

fn open(settings: &Data, side: usize) -> Result<Splits> {
    let config = to_table(settings)?;
    let ([train, val, test], origin) = match &settings.dir {
        Some(dir) => released(dir, settings, side)?,
        None => generated(settings, side)?,
    };
    let medium = Medium::Pictures(Pictures { motif: Motif::Paths, ..Pictures::grey(side) });
    let (shape, findings) = (shape(), Findings::default());
    Ok(Splits { shape, medium, config, train, val, test, origin, findings })
}

fn shape() -> Shape {
    Shape {
        input: Input::Values { features: 1 },
        target: Target::Classes(CLASSES.map(str::to_owned).to_vec()),
    }
}

fn inputs(side: usize) -> Inputs {
    let size = (side as u32, side as u32);
    Inputs::pictures(shape(), size, Colour::Grey, |pixels| Sequences::Bytes(pixels.to_vec()))
}

fn provenance(task: &Task, data: &Table) -> Result<Provenance> {
    let Data { dir, difficulty, count, .. } = task.settings(data)?;
    let as_published = difficulty == Difficulty::Hard;
    let found = match dir {
        Some(_) => Provenance::official(as_published),
        None => Provenance::generated(count, as_published),
    };
    Ok(found.with(&difficulty.to_string()))
}

fn released(dir: &Path, settings: &Data, side: usize) -> Result<([Split; 3], String)> {
    let release = Release::open(dir, side, settings.difficulty)?;
    let origin = format!("official layout in {}", release.folder().display());
    let seed = settings.seed.unwrap_or(DEFAULT_SEED);
    let (train, [test, val]) = hold_out_tenths(release.len(), seed);
    let all = Split::new(Pixels(release));
    let [train, val, test] = [train, val, test].map(|part| all.subset(part));
    Ok(([train?, val?, test?], origin))
}

fn generated(settings: &Data, side: usize) -> Result<([Split; 3], String)> {
    let Data { difficulty, count, eval_count, cache, .. } = settings;
    let spec = Spec::official(side, *difficulty)?;
    let counts = [*count, *eval_count, *eval_count];
    let parts = Generated::parts(spec, settings.seed.unwrap_or(0), counts)?;
    let cached = |part| -> Result<Split> { Ok(Split::new(Pixels(Cached::open(cache, part)?))) };
    let [train, val, test] = parts.map(cached);
    let origin = format!(
        "no --data, so {count} {difficulty} images of {side} x {side} (and twice {eval_count} to \
         evaluate) are generated as they are needed and kept in {}",
        cache.display()
    );
    Ok(([train?, val?, test?], origin))
}

fn generate(request: &Request, side: usize) -> Result<Outcome> {
    let side = request.size.unwrap_or(side);
    let spec = Spec::official(side, request.difficulty.unwrap_or_default())?;
    let progress = Progress::new(request.progress, 0, request.count);
    let written = write_release(request.out, &spec, request.count, request.seed, &|done| {
        progress.step(done);
        if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    progress.finish();
    let written = written?;
    if written.interrupted {
        return Ok(Outcome::Interrupted(format!(
            "{} of {} images are written to {}; the same command goes on",
            written.kept + written.written,
            request.count,
            written.folder.display()
        )));
    }
    let summary = format!("{} images written, {} found complete", written.written, written.kept);
    Ok(Outcome::Complete { folder: written.folder, summary })
}
