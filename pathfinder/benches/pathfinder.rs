//! Images per second of the Pathfinder generator, for each size and level.
//!
//! ```text
//! cargo bench -p pathfinder --bench pathfinder --profile dev [-- [--quick] [--json FILE] [--out DIR]
//!     [FILTER]]
//! ```
//!
//! On one thread, which is the baseline, and on all. An attempt is one try at drawing both target
//! paths.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail};
use measure::{Entry, Figure, Measured, Role, Session, Table, Task, significant};
use pathfinder::spec::OFFICIAL_SIZES;
use pathfinder::{Difficulty, Generator, Spec};
use rayon::prelude::*;
use strum::VariantArray;

/// Images of a run, enough for every thread to have its share.
const IMAGES: u64 = 256;
const THREADS: [&str; 2] = ["one", "all"];

fn main() -> Result<()> {
    match measure::role("pathfinder", &[])? {
        Role::Bystander => Ok(()),
        Role::Child(task) => task.answer(&child(&task)?),
        Role::Bench(session) => bench(*session),
    }
}

fn bench(mut session: Session) -> Result<()> {
    session.describe("threads", rayon::current_num_threads().to_string());
    let mut entries = Vec::new();
    for size in OFFICIAL_SIZES {
        for level in Difficulty::VARIANTS {
            for threads in THREADS {
                let labels = [size.to_string(), level.to_string(), threads.to_owned()];
                entries.push(
                    Entry::new("generator", labels)
                        .against(format!("generator/{size}/{level}/{}", THREADS[0])),
                );
            }
        }
    }
    let table = Table::new("Pathfinder generator", &["size", "level", "threads"])
        .figures(&[
            Figure { name: "images/s", show: significant },
            Figure { name: "attempts per image", show: significant },
        ])
        .size(None);
    session.table(&table, &entries)?;
    session.finish()
}

fn child(task: &Task) -> Result<Measured> {
    let [_, size, level, threads] = task.name().split('/').collect::<Vec<_>>()[..] else {
        bail!("there is no entry {}", task.name());
    };
    let level = level.parse::<Difficulty>();
    let level = level.context("there is no such level")?;
    let spec = Spec::official(size.parse()?, level)?;
    let generator = Generator::new(spec, 1)?;
    let pixels = || vec![0; generator.spec().size * generator.spec().size];
    let (images, attempts) = (AtomicU64::new(0), AtomicU64::new(0));
    let generate = |pixels: &mut Vec<u8>, index| -> Result<()> {
        let image = generator.generate(index, pixels)?;
        attempts.fetch_add(u64::from(image.attempts), Ordering::Relaxed);
        Ok(())
    };
    let measured = task.time(|| {
        let first = images.fetch_add(IMAGES, Ordering::Relaxed);
        let mut run = first..first + IMAGES;
        if threads == THREADS[0] {
            let mut pixels = pixels();
            run.try_for_each(|index| generate(&mut pixels, index))
        } else {
            run.into_par_iter().try_for_each_init(pixels, |pixels, index| generate(pixels, index))
        }
    })?;
    let images = images.into_inner();
    let rate = IMAGES as f64 / measured.median();
    Ok(measured
        .with("images/s", rate)
        .with("attempts per image", attempts.into_inner() as f64 / images as f64))
}
