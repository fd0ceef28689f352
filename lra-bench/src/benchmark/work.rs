//! The work of one process.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use measure::median;
use models::Network;
use program::config::to_toml;
use s4_config::{Backbone, Input, NetworkConfig, Output, Shape};
use s4_core::layer::Pass;
use s4_core::params::ParamStore;
use s4_core::recurrence::StepMode;
use serde::Serialize;
use tch::{Cuda, Device, Kind, Reduction, Tensor};
use training::optim::{Optimizer, OptimizerConfig};
use training::seed;

use super::entry::{Entry, Measured};
use super::memory::Peak;

const CLASSES: i64 = 10;
const SHAPE: Shape =
    Shape { input: Input::Values { features: 1 }, output: Output::Classes(CLASSES) };
/// Positions of the step that starts thread pools, libraries and the optimiser.
const WARM_UP: i64 = 32;
/// Training, generation and streaming get these shares of an entry's time; the rest is for the start.
const TRAINING_SHARE: f64 = 0.5;
const GENERATION_SHARE: f64 = 0.15;
const STREAMING_SHARE: f64 = 0.1;
/// Number of steps after which a fast model is known well enough.
const MOST_STEPS: usize = 1000;
const MOST_STREAMED: usize = 20 * MOST_STEPS;

/// Trains a fresh model of `entry` on noise, and steps it as a recurrence: in libtorch, and in the engine
/// that generates on a CPU.
///
/// # Errors
/// If the model cannot be made, or the device is out of memory.
pub fn measure(entry: &Entry, device: Device) -> Result<Measured> {
    seed::seed_torch(1, "benchmark", 0);
    let config = entry.model.config(entry.d_model, entry.n_layers);
    let mut store = ParamStore::new(device, Kind::Float);
    let model = Network::new(&mut store.root(), &config, SHAPE).context("model")?;
    let optimizer = Optimizer::new(&store, OptimizerConfig::default())?;
    let mut training = Training { entry, device, model: &model, store: &store, optimizer };

    training.step(&training.noise(WARM_UP.min(entry.length))?)?;
    let x = training.noise(entry.length)?;
    let memory = Peak::start(device);
    let mut seconds = vec![training.step(&x)?];
    let peak_bytes = memory.bytes();
    let budget = TRAINING_SHARE * entry.seconds;
    // The first step pays for fresh memory; it counts only where there is no time for others.
    if seconds[0] < budget {
        seconds.clear();
        while seconds.is_empty()
            || (seconds.iter().sum::<f64>() < budget && seconds.len() < MOST_STEPS)
        {
            seconds.push(training.step(&x)?);
        }
    }
    Ok(Measured {
        parameters: store.num_parameters(),
        seconds_per_step: median(seconds),
        peak_bytes,
        generated_per_second: generation(entry, device, &model)?,
        streamed_per_second: streaming(entry, &config, &store)?,
    })
}

struct Training<'a> {
    entry: &'a Entry,
    device: Device,
    model: &'a Network,
    store: &'a ParamStore,
    optimizer: Optimizer,
}

impl Training<'_> {
    /// Sequences (B, `length`, 1).
    fn noise(&self, length: i64) -> Result<Tensor> {
        Ok(Tensor::f_randn([self.entry.batch, length, 1], (Kind::Float, self.device))?)
    }

    /// Seconds of one whole step.
    fn step(&mut self, x: &Tensor) -> Result<f64> {
        let labels = Tensor::f_zeros([self.entry.batch], (Kind::Int64, self.device))?;
        synchronise(self.device);
        let start = Instant::now();
        self.store.zero_grad();
        let scores = self.model.forward(x, &Pass::train())?;
        scores
            .f_cross_entropy_loss::<Tensor>(&labels, None, Reduction::Mean, -100, 0.0)?
            .f_backward()?;
        self.optimizer.step(1.0)?;
        synchronise(self.device);
        Ok(start.elapsed().as_secs_f64())
    }
}

/// Steps a second of the residual blocks. A state that grows is taken at half the length, where a
/// step takes as long as on average.
fn generation(entry: &Entry, device: Device, model: &Network) -> Result<f64> {
    let _guard = tch::no_grad_guard();
    let backbone = model.backbone();
    let noise = (Kind::Float, device);
    let mut state = backbone.default_state(entry.batch)?;
    if entry.model.state_grows() {
        let past = Tensor::f_randn([entry.batch, entry.d_model, entry.length / 2], noise)?;
        state = backbone.forward_with_state(&past, &state, &Pass::eval())?.1;
    }
    let stepper = backbone.stepper(StepMode::Linear, 1.0)?;
    let x = Tensor::f_randn([entry.batch, entry.d_model], noise)?;
    drop(stepper.step(&x, &state));
    synchronise(device);
    let budget = Duration::from_secs_f64(GENERATION_SHARE * entry.seconds);
    let (start, mut steps) = (Instant::now(), 0);
    while steps == 0 || (start.elapsed() < budget && steps < MOST_STEPS) {
        drop(stepper.step(&x, &state));
        steps += 1;
    }
    synchronise(device);
    Ok(steps as f64 / start.elapsed().as_secs_f64())
}

/// The part of a run's configuration that the engine reads.
#[derive(Serialize)]
struct Run<'a> {
    model: &'a NetworkConfig,
}

/// Steps a second of the whole classifier in the engine without libtorch, on the CPU; `None` for models
/// that it cannot step.
fn streaming(entry: &Entry, config: &NetworkConfig, store: &ParamStore) -> Result<Option<f64>> {
    if config.backbone() != Backbone::S4 {
        return Ok(None);
    }
    let weights = store.state_dict().to_safetensors(&[])?;
    let stack = s4_stream::Model::new_classifier(&to_toml(&Run { model: config })?, &weights)?;
    let mut engine = stack.engine(usize::try_from(entry.batch)?)?;
    let inputs = vec![0.5; engine.batch()];
    engine.step_values(&inputs)?;
    let budget = Duration::from_secs_f64(STREAMING_SHARE * entry.seconds);
    let (start, mut steps) = (Instant::now(), 0);
    while steps == 0 || (start.elapsed() < budget && steps < MOST_STREAMED) {
        engine.step_values(&inputs)?;
        steps += 1;
    }
    Ok(Some(steps as f64 / start.elapsed().as_secs_f64()))
}

/// Waits until the device has done what it was given.
fn synchronise(device: Device) {
    if let Device::Cuda(index) = device {
        Cuda::synchronize(index as i64);
    }
}
