//! Speed of generation with the eight-layer SaShiMi of the paper, and with WaveNet and SampleRNN of as
//! many parameters; random weights.
//!
//! ```text
//! cargo bench -p sashimi --bench generation --profile dev [-- [--quick] [--json FILE] [--out DIR] [FILTER]]
//! ```
//!
//! FILTER keeps the entries whose name, such as `sashimi/1/1/engine`, contains it: backbone, batch,
//! threads, and what steps. The baseline is the same model stepped by libtorch operations, the recurrence as
//! it is written; `engine` is the streaming engine, which has no libtorch, and `engine-int16` the same
//! with weights of 16 bits.
//!
//! A single sequence of SaShiMi cannot be faster than its weights are read from the caches: that bound is
//! measured by a sweep over as many bytes on one thread. Larger batches share what is read, and are
//! compared with nothing.

#[path = "../../s4-core/benches/support/libtorch.rs"]
mod libtorch;

use models::Network;
use s4_config::{Backbone, Input, NetworkConfig, Output, SampleRnnConfig, Shape, WaveNetConfig};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use generation::Scores;
use generation::tensors::Tensors;
use measure::{
    Bound, Entry, Figure, Measured, PeakMemory, Role, Session, Table, Task, Work, duration, median,
    sweep, thousands,
};
use s4_core::params::ParamStore;
use s4_stream::Model;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind};

/// Codes of the model.
const LEVELS: i64 = 256;
/// Steps from one that computes all resolutions and tiers to the next, of SaShiMi (16) and SampleRNN (32).
const GROUP: usize = 32;
const BASELINE: &str = "libtorch";
const ENGINE: &str = "engine";
const ENGINE_INT16: &str = "engine-int16";
const SWEEP: &str = "peak/sweep";

/// What bounds the engine.
#[derive(Debug, Serialize, Deserialize)]
struct Caches {
    instructions: String,
    bytes_per_sample: f64,
    /// The same with weights of 16 bits.
    bytes_per_sample_int16: f64,
    bytes_per_second: f64,
}

fn main() -> Result<()> {
    // As the program does.
    s4_core::heap::keep_freed_pages();
    match measure::role("generation", &[])? {
        Role::Bystander => Ok(()),
        Role::Child(task) => child(&task),
        Role::Bench(session) => bench(*session),
    }
}

fn bench(mut session: Session) -> Result<()> {
    session.minutes(2.0);
    libtorch::describe(&mut session)?;
    let caches: Caches = session.ask(SWEEP, Duration::from_secs(30))?;
    session.describe("instructions of the engine", caches.instructions);
    let megabytes = caches.bytes_per_sample / 1e6;
    let how = format!("one thread, over the {megabytes:.2} MB of weights that a sample reads");
    session.peak(Bound::Cache, caches.bytes_per_second, &how);

    let processors = std::thread::available_parallelism()?.get();
    let work = |bytes: f64| Work { bound: Bound::Cache, amount: GROUP as f64 * bytes };
    let mut entries = Vec::new();
    let sashimi = [1, 2, 8, 32].map(|batch| (Backbone::Sashimi, batch));
    let others = [Backbone::WaveNet, Backbone::SampleRnn];
    let others = others.into_iter().flat_map(|backbone| [1, 32].map(|batch| (backbone, batch)));
    for (backbone, batch) in sashimi.into_iter().chain(others) {
        let entry = |threads, stepper| entry(backbone, batch, threads, stepper);
        let baseline = entry(tch::get_num_threads() as usize, BASELINE);
        let baseline_name = baseline.name().to_owned();
        let mut threads = vec![processors.min(batch)];
        if batch == 32 && processors > 1 {
            threads.insert(0, 1);
        }
        let single = |entry: Entry, bytes| match (backbone, batch) {
            (Backbone::Sashimi, 1) => entry.work(work(bytes)),
            _ => entry,
        };
        entries.push(single(baseline.against(&baseline_name), caches.bytes_per_sample));
        for (stepper, bytes) in
            [(ENGINE, caches.bytes_per_sample), (ENGINE_INT16, caches.bytes_per_sample_int16)]
        {
            for &threads in &threads {
                let entry = entry(threads, stepper).against(&baseline_name);
                entries.push(single(entry, bytes));
            }
        }
    }
    let title = format!("Groups of {GROUP} steps, one of which computes all resolutions");
    let table =
        Table::new(&title, &["backbone", "batch", "threads", "stepped by"]).size(None).figures(&[
            Figure { name: "samples/s", show: thousands },
            Figure { name: "overall", show: thousands },
            Figure { name: "median step", show: duration },
            Figure { name: "slowest of a group", show: duration },
        ]);
    session.table(&table, &entries)?;
    session.finish()
}

fn entry(backbone: Backbone, batch: usize, threads: usize, stepper: &str) -> Entry {
    let parts = [batch.to_string(), threads.to_string(), stepper.to_owned()];
    Entry::new(backbone.key(), parts)
}

fn child(task: &Task) -> Result<()> {
    let parts: Vec<&str> = task.name().split('/').collect();
    match parts[..] {
        _ if task.name() == libtorch::PEAK => task.answer(&libtorch::peak(task, Device::Cpu)?),
        _ if task.name() == SWEEP => task.answer(&caches(limit(task))?),
        [backbone, batch, threads, stepper] => {
            let (batch, threads) = (batch.parse()?, threads.parse()?);
            task.answer(&time(config(backbone)?, stepper, batch, threads, limit(task))?)
        }
        _ => bail!("there is no entry {}", task.name()),
    }
}

fn limit(task: &Task) -> Duration {
    Duration::from_secs_f64(if task.quick() { 0.5 } else { 3.0 })
}

/// The SaShiMi of the paper, 4.75 million parameters with encoder and decoder, or another of as many.
fn config(backbone: &str) -> Result<NetworkConfig> {
    let mut config = NetworkConfig::of(match backbone {
        "sashimi" => Backbone::Sashimi,
        "wavenet" => Backbone::WaveNet,
        "samplernn" => Backbone::SampleRnn,
        other => bail!("there is no entry for {other}"),
    });
    // Published: 1,024 channels and 4.24 million, 1,024 units and 35.0 million.
    let wider = WaveNetConfig { skip_channels: 1184, ..WaveNetConfig::default() };
    let narrower = SampleRnnConfig { d_hidden: 356, ..SampleRnnConfig::default() };
    config.wavenet = config.wavenet.map(|_| wider);
    config.samplernn = config.samplernn.map(|_| narrower);
    Ok(config)
}

/// A fresh model, for libtorch and for the engine.
fn model(config: &NetworkConfig) -> Result<(Network, ParamStore)> {
    tch::manual_seed(1);
    let mut store = ParamStore::new(Device::Cpu, Kind::Float);
    let shape =
        Shape { input: Input::Tokens { vocabulary: LEVELS }, output: Output::PerPosition(LEVELS) };
    let model = Network::new(&mut store.root(), config, shape)?;
    Ok((model, store))
}

fn engine(config: NetworkConfig, store: &ParamStore) -> Result<Model> {
    /// The part of a run's configuration that the engine reads.
    #[derive(Serialize)]
    struct Run {
        model: NetworkConfig,
    }
    let config = program::config::to_toml(&Run { model: config })?;
    Model::new(&config, &store.state_dict().to_safetensors(&[])?)
}

fn caches(limit: Duration) -> Result<Caches> {
    let config = config(Backbone::Sashimi.key())?;
    let store = model(&config)?.1;
    let engine = engine(config, &store)?;
    let bytes_per_sample = engine.bytes_per_sample();
    Ok(Caches {
        instructions: engine.instructions().to_owned(),
        bytes_per_sample,
        bytes_per_sample_int16: engine.int16().bytes_per_sample(),
        bytes_per_second: sweep(bytes_per_sample as usize, limit),
    })
}

fn time(
    config: NetworkConfig,
    stepper: &str,
    batch: usize,
    threads: usize,
    limit: Duration,
) -> Result<Measured> {
    let (model, store) = model(&config)?;
    let memory = PeakMemory::reset();
    match stepper {
        BASELINE => {
            let (mut tensors, _) = Tensors::after(&model, &[0], batch)?;
            time_steps(batch, &memory, limit, |codes| {
                black_box(tensors.advance(codes)?);
                Ok(())
            })
        }
        ENGINE | ENGINE_INT16 => {
            let engine = engine(config, &store)?;
            let engine = if stepper == ENGINE { engine } else { engine.int16() };
            let mut engine = engine.engine_on(batch, threads)?;
            time_steps(batch, &memory, limit, |codes| {
                black_box(engine.step(codes)?);
                Ok(())
            })
        }
        other => bail!("nothing called {other} steps"),
    }
}

/// Times groups of [`GROUP`] steps. A group in the middle is disturbed less by other programs than
/// all of them together.
fn time_steps(
    batch: usize,
    memory: &PeakMemory,
    limit: Duration,
    mut step: impl FnMut(&[u32]) -> Result<()>,
) -> Result<Measured> {
    let mut codes = vec![0; batch];
    let mut groups = Vec::new();
    let start = Instant::now();
    while groups.len() < 4 || start.elapsed() < limit {
        let mut group = [0.0; GROUP];
        for (at, seconds) in group.iter_mut().enumerate() {
            for (i, code) in codes.iter_mut().enumerate() {
                *code = ((groups.len() * 7 + at * 31 + i * 17) % LEVELS as usize) as u32;
            }
            let before = Instant::now();
            step(&codes)?;
            *seconds = before.elapsed().as_secs_f64();
        }
        groups.push(group);
    }
    // The first one warms up.
    groups.remove(0);
    let sums: Vec<f64> = groups.iter().map(|steps| steps.iter().sum()).collect();
    let samples = (GROUP * batch) as f64;
    let overall = samples * sums.len() as f64 / sums.iter().sum::<f64>();
    let slowest = groups.iter().map(|steps| steps.iter().copied().fold(0.0, f64::max));
    let steps = groups.iter().flatten().copied();
    let group = median(sums);
    let measured =
        Measured { seconds: vec![group], peak_bytes: memory.bytes(), figures: BTreeMap::new() };
    Ok(measured
        .with("samples/s", samples / group)
        .with("overall", overall)
        .with("median step", median(steps.collect()))
        .with("slowest of a group", median(slowest.collect())))
}
