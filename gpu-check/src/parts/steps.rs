//! Whole training steps with the models of the presets: upload, forward, loss, backward, clipping,
//! AdamW; inputs are random.

use anyhow::{Context, Result, anyhow};
use cuda::waits::{OnWait, on_wait};
use datasets::batch::{Batch, Labels, Sequences};
use datasets::shape::{Shape, Target};
use datasets::tasks;
use lra_bench::experiment::{self, Experiment};
use lra_bench::objective::Supervised;
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use s4_config::Input;
use sashimi::data::batch::CodeBatch;
use sashimi::data::sound::SoundBatch;
use sashimi::experiment::{Experiment as AudioExperiment, Preset as AudioPreset};
use sashimi::objective::{Diffusion, NextCode};
use training::objective::Objective;
use training::optim::{Optimizer, OptimizerConfig, clip_grad_norm};
use training::recorded::Recorded;

use super::{Setting, row};
use crate::precision;
use crate::row::Row;

/// A classifier, and what it is given.
struct Task {
    name: &'static str,
    input: Input,
    classes: i64,
    batch: usize,
    length: usize,
}

const VALUES: Input = Input::Values { features: 1 };

const TASKS: [Task; 4] = [
    Task { name: "path-x", input: VALUES, classes: 2, batch: 16, length: 16_384 },
    Task { name: "pathfinder", input: VALUES, classes: 2, batch: 64, length: 1024 },
    Task {
        name: "listops",
        input: Input::Tokens { vocabulary: 18 },
        classes: 10,
        batch: 32,
        length: 2048,
    },
    Task { name: "smnist", input: VALUES, classes: 10, batch: 50, length: 784 },
];

/// Models of sound: a preset, a quick one in its place, sequences and samples.
type Audio = (&'static str, &'static str, (usize, usize));

/// Of codes, as many as WaveNet is trained on at once in the SaShiMi paper.
const CODES: [Audio; 3] = [
    ("sc09", "small", (8, 16_384)),
    ("sc09-wavenet", "small-wavenet", (8, 16_384)),
    ("sc09-samplernn", "small-samplernn", (8, 16_384)),
];
/// Of samples, as many as DiffWave is trained on at once on a GPU.
const SOUNDS: [Audio; 2] = [
    ("sc09-diffwave", "small-diffwave", (4, 16_000)),
    ("sc09-diffwave-wavenet", "small-diffwave-wavenet", (4, 16_000)),
];

pub(super) fn run(setting: &Setting, found: &mut dyn FnMut(Row)) -> Result<()> {
    for prepared in precision::all(setting.device) {
        let (_, kind) = prepared?;
        let precision = format!("train.precision=\"{}\"", kind.to_lowercase());
        for task in &TASKS {
            let (batch, length) = size(setting, (task.batch, task.length));
            found(row(format!("{}, {batch} x {length}, {kind}", task.name), |row| {
                let experiment = experiment(setting, task, &precision)?;
                let shape =
                    Shape { input: task.input, target: Target::numbered(task.classes as usize) };
                let objective = Supervised::new(&experiment, &shape, setting.device)?;
                let data = examples(task, (batch, length));
                time(setting, objective, experiment.train.optimizer, &data, row)
            }));
        }
        for audio in CODES {
            let (batch, length) = size(setting, audio.2);
            found(row(format!("{}, {batch} x {length}, {kind}", audio.0), |row| {
                let experiment = sound(setting, audio, &precision)?;
                let objective = NextCode::new(&experiment, setting.device)?;
                time(setting, objective, experiment.train.optimizer, &codes(batch, length), row)
            }));
        }
        for audio in SOUNDS {
            let (batch, length) = size(setting, audio.2);
            found(row(format!("{}, {batch} x {length}, {kind}", audio.0), |row| {
                let experiment = sound(setting, audio, &precision)?;
                let objective = Diffusion::new(&experiment, setting.device)?;
                time(setting, objective, experiment.train.optimizer, &noise(batch, length), row)
            }));
        }
    }
    Ok(())
}

fn size(setting: &Setting, (batch, length): (usize, usize)) -> (usize, usize) {
    if setting.quick { (2, 256) } else { (batch, length) }
}

fn experiment(setting: &Setting, task: &Task, precision: &str) -> Result<Experiment> {
    let preset = if setting.quick { experiment::Preset::Small } else { experiment::Preset::Paper };
    let overrides = [precision.to_owned()];
    Ok(Experiment::preset(tasks::find(task.name)?, preset, &overrides)?.value)
}

fn sound(setting: &Setting, audio: Audio, precision: &str) -> Result<AudioExperiment> {
    let (paper, quick, size) = audio;
    let preset = AudioPreset::find(if setting.quick { quick } else { paper })?;
    let length = format!("data.length={}", self::size(setting, size).1);
    let overrides = [precision.to_owned(), "data.sample_rate=16000".to_owned(), length];
    Ok(preset.load(&overrides)?.value)
}

fn time<O: Objective>(
    setting: &Setting,
    mut objective: O,
    config: OptimizerConfig,
    data: &O::Batch,
    row: Row,
) -> Result<Row> {
    let clip_norm = config.clip_norm;
    let mut optimizer = Optimizer::new(objective.params(), config)?;
    // As the trainer does, the next batch is uploaded while the device computes.
    let mut next = Some(objective.upload(data)?);
    let mut step = || {
        objective.params().zero_grad();
        let batch = next.take().context("a batch was uploaded")?;
        objective.train_step(&batch, &|loss| Ok(loss.f_backward()?))?;
        if let Some(norm) = clip_norm {
            clip_grad_norm(optimizer.parameters(), norm)?;
        }
        optimizer.step(1.0)?;
        next = Some(objective.upload(data)?);
        Ok(())
    };
    let ms = setting.clock.ms(&mut step)?;
    let row = row.with("one by one, ms", ms);
    let Some(peak) = setting.clock.peak_mib(&mut step)? else {
        return Ok(row.with("steps/s", 1e3 / ms));
    };
    let row = row.with("peak, MiB", peak);
    let note = waits(step)?;
    let batch = objective.upload(data)?;
    let recorded = Recorded::new(&mut objective, batch).map_err(|(error, _)| error)?;
    let mut next = Some(objective.upload(data)?);
    let ms = setting.clock.ms(|| {
        let batch = next.take().context("a batch was uploaded")?;
        recorded.step(&objective, &batch)?;
        if let Some(norm) = clip_norm {
            clip_grad_norm(optimizer.parameters(), norm)?;
        }
        optimizer.step(1.0)?;
        next = Some(objective.upload(data)?);
        Ok(())
    })?;
    Ok(row.with("recorded, ms", ms).with("steps/s", 1e3 / ms).noting(note))
}

/// Whether the host waits for the device within a step.
fn waits(step: impl FnOnce() -> Result<()>) -> Result<String> {
    let on_wait = |what| on_wait(what).map_err(|message| anyhow!(message));
    on_wait(OnWait::Fail)?;
    let result = step();
    on_wait(OnWait::Allow)?;
    match result {
        Ok(()) => Ok("no host wait".to_owned()),
        Err(error) if format!("{error:#}").contains("synchronizing") => {
            Ok("the host waits for the device".to_owned())
        }
        Err(error) => Err(error),
    }
}

fn examples(task: &Task, (batch, length): (usize, usize)) -> Batch {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let count = batch * length;
    let (sequences, lengths) = match task.input {
        Input::Tokens { vocabulary } => {
            let tokens = (0..count).map(|_| rng.random_range(1..vocabulary)).collect();
            // Of every length, as these tasks have them.
            let lengths = (0..batch).map(|_| rng.random_range(length / 4..=length) as i64);
            (Sequences::Tokens(tokens), Some(lengths.collect()))
        }
        Input::Values { .. } => {
            let mut bytes = vec![0; count];
            rng.fill_bytes(&mut bytes);
            (Sequences::Bytes(bytes), None)
        }
    };
    let labels = (0..batch).map(|_| rng.random_range(0..task.classes));
    let labels = Labels::Classes(labels.collect());
    Batch { sequences, length, lengths, labels }
}

fn codes(batch: usize, length: usize) -> CodeBatch {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut sequence = || (0..length).map(|_| rng.random_range(0..256)).collect();
    let sequences: Vec<Vec<u16>> = (0..batch).map(|_| sequence()).collect();
    CodeBatch::new(&sequences)
}

fn noise(batch: usize, length: usize) -> SoundBatch {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut sound = || (0..length).map(|_| rng.random_range(-1.0..1.0)).collect();
    let sounds: Vec<Vec<f32>> = (0..batch).map(|_| sound()).collect();
    SoundBatch::new(&sounds)
}
