//! Images a second of the Pathfinder generator, for each size and level.
//!
//! `cargo bench -p datasets --bench pathfinder [-- --seconds S]`. Prints one line a data set: on
//! one thread, on all threads, and how many times the target paths were begun for an image.

use std::time::{Duration, Instant};

use datasets::pathfinder::spec::OFFICIAL_SIZES;
use datasets::pathfinder::{Difficulty, Generator, Spec};
use rayon::prelude::*;

fn main() {
    let mut arguments = std::env::args().skip_while(|a| a != "--seconds");
    let seconds: f64 = arguments.nth(1).and_then(|s| s.parse().ok()).unwrap_or(2.0);
    let budget = Duration::from_secs_f64(seconds);
    let threads = rayon::current_num_threads();
    println!(
        "{:<32}{:>14}{:>18}{:>12}{:>12}",
        "",
        "1 thread",
        format!("{threads} threads"),
        "attempts",
        "set-up"
    );
    for size in OFFICIAL_SIZES {
        for level in Difficulty::ALL {
            measure(size, level, budget, threads);
        }
    }
}

fn measure(size: usize, level: Difficulty, budget: Duration, threads: usize) {
    let spec = Spec::official(size, level).expect("an official size");
    let start = Instant::now();
    let generator = Generator::new(spec, 1).expect("a valid specification");
    let set_up = start.elapsed();

    // Chunks of 32 images until the time is over.
    let mut pixels = vec![0; size * size];
    let (mut done, mut attempts) = (0u64, 0u64);
    let start = Instant::now();
    while start.elapsed() < budget {
        for _ in 0..32 {
            let description = generator.generate(done, &mut pixels).expect("an image");
            attempts += u64::from(description.attempts);
            done += 1;
        }
    }
    let one = done as f64 / start.elapsed().as_secs_f64();

    let mut all = 0u64;
    let start = Instant::now();
    while start.elapsed() < budget {
        let chunk = 64 * threads as u64;
        (all..all + chunk).into_par_iter().for_each_init(
            || vec![0; size * size],
            |pixels, index| {
                generator.generate(index, pixels).expect("an image");
            },
        );
        all += chunk;
    }
    let many = all as f64 / start.elapsed().as_secs_f64();
    println!(
        "{:<32}{one:>8.0} /s   {many:>12.0} /s   {:>9.1}   {:>6.0} ms",
        format!("pathfinder{size}/{level}"),
        attempts as f64 / done as f64,
        set_up.as_secs_f64() * 1e3
    );
}
