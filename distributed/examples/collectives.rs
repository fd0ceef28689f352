//! How fast processes talk to each other: λ and W of the formula in `docs/distributed.md`.
//!
//! ```sh
//! cargo run -p distributed --example collectives -- 2     # processes on this machine
//! ```
//! Started by torchrun or SLURM, or with their variables, it measures what is between those processes.

use std::env;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use distributed::{Place, World, launcher};
use program::exit::{Exit, main_exit};
use program::output::say;
use tch::{Device, Kind, Tensor};

const TIMEOUT: Duration = Duration::from_secs(60);

fn main() {
    main_exit(|| match Place::of_environment()? {
        Some(place) => measure(&World::join(place, TIMEOUT)?),
        None => {
            let count = env::args().nth(1).unwrap_or_else(|| "2".to_owned());
            launcher::launch(count.parse().context("expected a number of processes")?, TIMEOUT)
        }
    })
}

fn measure(world: &World) -> Result<Exit> {
    let size = world.size() as f64;
    for numbers in [1, 1_000, 1_000_000, 8_000_000] {
        let x = Tensor::zeros([numbers], (Kind::Float, Device::Cpu));
        world.sum(&x)?;
        let mut seconds = Vec::new();
        for _ in 0..if numbers < 1_000_000 { 200 } else { 20 } {
            world.barrier()?;
            let start = Instant::now();
            world.sum(&x)?;
            seconds.push(start.elapsed().as_secs_f64());
        }
        seconds.sort_by(f64::total_cmp);
        let median = seconds[seconds.len() / 2];
        // What a ring all-reduce sends over each link.
        let bytes = 2.0 * (size - 1.0) / size * 4.0 * numbers as f64;
        if world.is_first() {
            let (milliseconds, rate) = (1e3 * median, bytes / median / 1e6);
            say(format_args!(
                "{size} processes: sum of {numbers} float32 in {milliseconds:.3} ms, {rate:.0} MB/s a link"
            ))?;
        }
    }
    world.barrier()?;
    Ok(Exit::Done)
}
