//! Speed of generation with the eight-layer SaShiMi of the paper, random weights.
//!
//! ```text
//! cargo bench -p s4-stream [-- [--quick] [--json FILE]]
//! ```
//!
//! Prints Markdown. A single sequence cannot be faster than its weights are read from the caches:
//! that bound is measured by a sweep over as many bytes on one thread.

#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use s4_stream::Model;
use serde_json::json;
use support::Shape;

/// Batch and threads of what is timed; 0: as many threads as there are processors.
const ENTRIES: [(usize, usize); 5] = [(1, 1), (2, 0), (8, 0), (32, 1), (32, 0)];

/// Steps from one that computes all resolutions to the next: the pooling factors together.
const GROUP: usize = 16;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Cargo passes --bench; `cargo test --all-targets` does not, and wants no benchmark.
    if !arguments.iter().any(|argument| argument == "--bench") {
        eprintln!("This is a benchmark: cargo bench -p s4-stream");
        return Ok(());
    }
    let (mut quick, mut file) = (false, None);
    let mut rest = arguments.iter().filter(|argument| *argument != "--bench");
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--quick" => quick = true,
            "--json" => file = Some(rest.next().context("--json needs a file")?),
            other => bail!("unknown option {other}; there are --quick and --json FILE"),
        }
    }
    let limit = Duration::from_secs_f64(if quick { 0.5 } else { 5.0 });
    let shape = Shape::paper();
    let model = Model::new(&shape.config(), &shape.weights(0))?;
    let processors = std::thread::available_parallelism()?.get();
    let bytes = model.bytes_per_sample();
    let bandwidth = sweep(bytes as usize, limit);
    let bound = bandwidth / bytes;
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("unknown").to_owned();
    println!("- instructions: {}", model.instructions());
    println!("- processors: {processors}; load average before: {load}");
    println!("- weights read for a sample: {:.2} MB", bytes / 1e6);
    println!("- one thread sweeps over as many bytes at {:.1} GB/s\n", bandwidth / 1e9);
    println!(
        "| batch | threads | samples/s | of the bound | overall | median step | slowest of 16 |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    let mut records = Vec::new();
    for (batch, threads) in ENTRIES {
        let threads = if threads == 0 { processors.min(batch) } else { threads };
        let groups = time(&model, batch, threads, limit)?;
        let sums: Vec<f64> = groups.iter().map(|steps| steps.iter().sum()).collect();
        let samples = (GROUP * batch) as f64;
        let overall = samples * sums.len() as f64 / sums.iter().sum::<f64>();
        let rate = samples / median(sums);
        let step = 1e6 * median(groups.iter().flatten().copied().collect());
        let slowest = groups.iter().map(|steps| steps.iter().copied().fold(0.0, f64::max));
        let slowest = 1e6 * median(slowest.collect());
        let share =
            if batch == 1 { format!("{:.0} %", 100.0 * rate / bound) } else { "–".into() };
        println!(
            "| {batch} | {threads} | {rate:.0} | {share} | {overall:.0} | {step:.0} µs | \
             {slowest:.0} µs |"
        );
        records.push(json!({
            "batch": batch, "threads": threads, "samples_per_second": rate,
            "overall_samples_per_second": overall, "median_step_us": step,
            "slowest_step_us": slowest,
        }));
    }
    println!(
        "\nSamples/s are those of the median group of {GROUP} steps, which other programs disturb \
         less than the overall rate. One step in {GROUP} computes all resolutions: the slowest one."
    );
    if let Some(file) = file {
        let all = json!({
            "instructions": model.instructions(), "processors": processors, "load": load,
            "bytes_per_sample": bytes, "sweep_bytes_per_second": bandwidth, "entries": records,
        });
        std::fs::write(file, serde_json::to_string_pretty(&all)? + "\n")
            .with_context(|| format!("cannot write {file}"))?;
    }
    Ok(())
}

/// Seconds of every step, in groups of [`GROUP`].
fn time(model: &Model, batch: usize, threads: usize, limit: Duration) -> Result<Vec<[f64; GROUP]>> {
    let mut engine = model.engine_on(batch, threads)?;
    let mut codes = vec![0; batch];
    let mut groups = Vec::new();
    let start = Instant::now();
    while groups.len() < 4 || start.elapsed() < limit {
        let mut group = [0.0; GROUP];
        for (step, seconds) in group.iter_mut().enumerate() {
            for (i, code) in codes.iter_mut().enumerate() {
                *code = ((groups.len() * 7 + step * 31 + i * 17) % model.levels()) as u16;
            }
            let before = Instant::now();
            black_box(engine.step(&codes)?);
            *seconds = before.elapsed().as_secs_f64();
        }
        groups.push(group);
    }
    // The first one warms up.
    groups.remove(0);
    Ok(groups)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Bytes a second at which one thread reads `bytes` bytes again and again.
fn sweep(bytes: usize, limit: Duration) -> f64 {
    let data = vec![1u64; bytes / 8];
    let start = Instant::now();
    let mut best = f64::INFINITY;
    while start.elapsed() < limit {
        let before = Instant::now();
        let (chunks, _) = black_box(&data).as_chunks::<32>();
        let mut sums = [0u64; 32];
        for chunk in chunks {
            for (sum, x) in sums.iter_mut().zip(chunk) {
                *sum ^= x;
            }
        }
        black_box(sums);
        best = best.min(before.elapsed().as_secs_f64());
    }
    bytes as f64 / best
}
