//! Time and memory of whole optimiser steps: upload, forward, loss, backward, clipping, AdamW.
//!
//! ```text
//! cargo bench -p lra-bench --bench training_step --profile dev [-- [--quick] [--json FILE] [--out DIR]
//!     [--device auto|cpu|cuda] [FILTER]]
//! ```
//!
//! FILTER keeps the entries whose name, such as `step/smnist-small/50/paper`, contains it. The
//! models are those of the presets, the inputs random bytes of the task's shape. The baseline is the
//! same step with kernels as in the papers, where memory allows (`model.kernel = "paper"`).
//!
//! A step is compared with the machine's arithmetic in float32, with three times the FLOP of the
//! blocks' forward passes (`s4-core/benches/support/work.rs`); encoder, norms, decoder and optimiser
//! are not counted.

#[path = "../../s4-core/benches/support/libtorch.rs"]
mod libtorch;
#[path = "../../s4-core/benches/support/work.rs"]
mod work;

use anyhow::{Context, Result, bail};
use datasets::batch::{Batch, Labels, Sequences};
use datasets::shape::{Shape, Target};
use datasets::tasks::{self, Task};
use lra_bench::experiment::{Experiment, Preset};
use lra_bench::objective::Supervised;
use measure::{Bound, Entry, Figure, Measured, Role, Session, Table, Work, significant};
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use s4_config::Input;
use tch::Device;
use training::device::DeviceRequest;
use training::memory;
use training::objective::Objective;
use training::optim::{Optimizer, clip_grad_norm};
use work::{BlockSize, forward_flop};

const DEVICE: &str = "--device";
const BASELINE: &str = "paper";
/// Gradients are clipped to this norm where the preset does not clip.
const CLIP_NORM: f64 = 1.0;
/// Seconds that a step may be expected to take.
const LIMIT: f64 = 30.0;

/// What is stepped.
struct Case {
    name: &'static str,
    task: &'static str,
    /// Positions a sequence, of one value each, and classes.
    length: usize,
    classes: i64,
    preset: Preset,
    /// Sequences per batch, each time four times as many.
    batches: &'static [usize],
    kernels: &'static [&'static str],
    quick: bool,
}

const CASES: [Case; 3] = [
    Case {
        name: "smnist-small",
        task: "smnist",
        length: 784,
        classes: 10,
        preset: Preset::Small,
        batches: &[50],
        kernels: &[BASELINE, "block-powers"],
        quick: true,
    },
    Case {
        name: "path-x-small",
        task: "path-x",
        length: 16_384,
        classes: 2,
        preset: Preset::Small,
        batches: &[8],
        kernels: &[BASELINE, "block-powers"],
        quick: false,
    },
    Case {
        name: "path-x",
        task: "path-x",
        length: 16_384,
        classes: 2,
        preset: Preset::Paper,
        batches: &[1, 4, 16],
        // The Cauchy products of one such layer take 14 GiB, and there are six.
        kernels: &["block-powers"],
        quick: false,
    },
];

fn main() -> Result<()> {
    // As the programs do.
    s4_core::heap::keep_freed_pages();
    match measure::role("training_step", &[DEVICE])? {
        Role::Bystander => Ok(()),
        Role::Child(task) => child(&task),
        Role::Bench(session) => bench(*session),
    }
}

fn bench(mut session: Session) -> Result<()> {
    let device = device(session.setting(DEVICE))?;
    session.minutes(3.0);
    session.describe("device", format!("{device:?}"));
    if device != Device::Cpu {
        // Its memory is not the machine's; what does not fit fails.
        session.memory(|| None);
    }
    libtorch::describe(&mut session)?;
    let mut entries = Vec::new();
    for case in CASES.iter().filter(|case| case.quick || !session.quick()) {
        for (i, &batch) in case.batches.iter().enumerate() {
            let flop = 3.0 * case.forward_flop(batch)?;
            for &kernel in case.kernels {
                let name = |batch: usize, kernel| format!("step/{}/{batch}/{kernel}", case.name);
                let mut entry = Entry::new("step", [case.name, &batch.to_string(), kernel])
                    .work(Work { bound: Bound::Arithmetic, amount: flop })
                    .limit(LIMIT);
                if case.kernels.contains(&BASELINE) {
                    entry = entry.against(name(batch, BASELINE));
                }
                if i > 0 {
                    entry = entry.after(name(case.batches[i - 1], kernel));
                }
                entries.push(entry);
            }
        }
    }
    let table = Table::new("Optimiser steps", &["experiment", "batch", "kernel"])
        .figures(&[
            Figure { name: "steps/s", show: significant },
            Figure { name: "samples/s", show: significant },
        ])
        .size(Some("batch"));
    session.table(&table, &entries)?;
    session.finish()
}

impl Case {
    fn task(&self) -> Result<&'static Task> {
        tasks::find(self.task)
    }

    fn experiment(&self, kernel: &str) -> Result<Experiment> {
        let kernel = format!("model.kernel=\"{kernel}\"");
        Ok(Experiment::preset(self.task()?, self.preset, &[kernel])?.value)
    }

    /// FLOP of the forward pass of all blocks.
    fn forward_flop(&self, batch: usize) -> Result<f64> {
        let model = self.experiment(BASELINE)?.model;
        let size = BlockSize {
            batch: batch as i64,
            channels: model.width(),
            states: model.layer.ssm.d_state,
            length: self.length as i64,
            kernels: if model.layer.bidirectional { 2 } else { 1 },
            // All of these presets end their blocks with GLU.
            outputs: 2 * model.width(),
        };
        Ok(model.depth() as f64 * forward_flop(size))
    }
}

fn child(task: &measure::Task) -> Result<()> {
    let device = device(task.setting(DEVICE))?;
    let parts: Vec<&str> = task.name().split('/').collect();
    match parts[..] {
        _ if task.name() == libtorch::PEAK => task.answer(&libtorch::peak(task, device)?),
        ["step", name, batch, kernel] => {
            let case = CASES.iter().find(|case| case.name == name);
            let case = case.with_context(|| format!("there is no experiment {name}"))?;
            task.answer(&time(task, case, batch.parse()?, kernel, device)?)
        }
        _ => bail!("there is no entry {}", task.name()),
    }
}

fn device(request: Option<&str>) -> Result<Device> {
    let request = request.map(str::parse::<DeviceRequest>).transpose()?.unwrap_or_default();
    Ok(request.choose()?.device)
}

fn time(
    task: &measure::Task,
    case: &Case,
    batch: usize,
    kernel: &str,
    device: Device,
) -> Result<Measured> {
    let experiment = case.experiment(kernel)?;
    let input = Input::Values { features: 1 };
    let shape = Shape { input, target: Target::numbered(case.classes as usize) };
    let mut objective = Supervised::new(&experiment, &shape, device)?;
    let config = experiment.train.optimizer;
    let clip_norm = config.clip_norm.unwrap_or(CLIP_NORM);
    let mut optimizer = Optimizer::new(objective.params(), config)?;
    let data = random(case, batch);
    let on_device = || memory::peak_mib(device).unwrap_or(0.0) * f64::from(1 << 20);
    let before = on_device();
    let mut measured = task.time(|| {
        objective.params().zero_grad();
        let batch = objective.upload(&data)?;
        objective.train_step(&batch, &|loss| Ok(loss.f_backward()?))?;
        clip_grad_norm(optimizer.parameters(), clip_norm)?;
        optimizer.step(1.0)?;
        libtorch::wait(device);
        Ok(())
    })?;
    if device != Device::Cpu {
        measured.peak_bytes = on_device() - before;
    }
    let rate = 1.0 / measured.median();
    Ok(measured.with("steps/s", rate).with("samples/s", rate * batch as f64))
}

/// Random examples of a task's shape.
fn random(case: &Case, batch: usize) -> Batch {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut bytes = vec![0; batch * case.length];
    rng.fill_bytes(&mut bytes);
    let labels = (0..batch).map(|_| rng.random_range(0..case.classes));
    let labels = Labels::Classes(labels.collect());
    Batch { sequences: Sequences::Bytes(bytes), length: case.length, lengths: None, labels }
}
