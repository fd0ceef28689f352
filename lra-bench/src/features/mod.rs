//! What a frozen network makes of examples, and how well classes are told apart by it.
//!
//! Shapes: N examples, F features.

pub mod linear;
pub mod neighbours;
mod raw;

use anyhow::{Context, Result, ensure};
use datasets::batch::Batch;
use datasets::split::Split;
use loader::Dataset;
use models::Network;
use program::interrupt;
use program::progress::Progress;
use s4_config::{Input, NetworkConfig, Output, Shape};
use s4_core::layer::Pass;
use s4_core::params::ParamStore;
use s4_core::state_dict::StateDict;
use tch::{Device, Kind, Tensor};
use training::adapt::is_base;
use training::seed;

use crate::device_batch::DeviceBatch;

pub use raw::raw;

/// Examples as vectors, with their classes.
#[derive(Debug)]
pub struct Features {
    /// (N, F) float32 on the CPU.
    pub x: Tensor,
    /// (N) int64.
    pub classes: Tensor,
}

/// Encoder and backbone of a network, without a head.
#[derive(Debug)]
pub struct Frozen {
    store: ParamStore,
    model: Network,
}

impl Frozen {
    /// A network with these weights, of which those of a head are passed over, or an untrained one.
    ///
    /// # Errors
    /// If they are of another network.
    pub fn new(
        config: &NetworkConfig,
        input: Input,
        weights: Option<&StateDict>,
        model_seed: u64,
        device: Device,
    ) -> Result<Self> {
        seed::seed_model(model_seed);
        let mut store = ParamStore::new(device, Kind::Float);
        let shape = Shape { input, output: Output::Channels };
        let model = Network::new(&mut store.root(), config, shape).context("model")?;
        if let Some(weights) = weights {
            let base: StateDict = weights
                .iter()
                .filter(|(name, _)| is_base(name))
                .map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone()))
                .collect();
            store.load_state_dict(&base.to_kind(Kind::Float))?;
        }
        Ok(Self { store, model })
    }

    /// [`layers`] of all of `split`.
    ///
    /// # Errors
    /// As there.
    pub fn layers(
        &self,
        split: &Split,
        batch_size: usize,
        progress: bool,
    ) -> Result<Vec<Features>> {
        layers(&self.model, &self.store, split, batch_size, progress)
    }
}

/// The features of all of `data`, before the backbone of a model with these parameters and after each of its layers.
///
/// # Errors
/// If an example cannot be read, or has no class, or the user interrupts.
pub fn layers(
    model: &Network,
    store: &ParamStore,
    data: &dyn Dataset<Batch = Batch>,
    batch_size: usize,
    progress: bool,
) -> Result<Vec<Features>> {
    let _guard = tch::no_grad_guard();
    let mut all: Vec<Vec<Tensor>> = Vec::new();
    let mut classes = Vec::new();
    let indices: Vec<usize> = (0..data.len()).collect();
    let batches = indices.chunks(batch_size.max(1));
    let bar = Progress::new(progress, 0, batches.len() as u64);
    for (number, indices) in batches.enumerate() {
        interrupt::check()?;
        let batch = data.batch(indices)?;
        classes.extend(of_batch(&batch)?);
        let batch = DeviceBatch::upload(&batch, &[], store.device(), store.kind())?;
        let pass = Pass::eval().with_lengths(batch.lengths);
        let layers = model.layers(&batch.x, &pass)?;
        all.resize_with(layers.len(), Vec::new);
        for (layer, x) in all.iter_mut().zip(layers) {
            layer.push(x.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?);
        }
        bar.step(number as u64 + 1);
    }
    bar.finish();
    let classes = Tensor::f_from_slice(&classes)?;
    let layers = all
        .into_iter()
        .map(|x| Ok(Features { x: Tensor::f_cat(&x, 0)?, classes: classes.shallow_clone() }));
    layers.collect()
}

/// The classes of a batch.
fn of_batch(batch: &Batch) -> Result<Vec<i64>> {
    match &batch.labels {
        datasets::batch::Labels::Classes(classes) => {
            let rows = batch.sequences.len() / batch.length.max(1);
            ensure!(rows == classes.len(), "pairs of sequences have no features of their own");
            Ok(classes.clone())
        }
        _ => {
            anyhow::bail!(
                "features are looked at by the classes they tell apart; this task has none"
            )
        }
    }
}
