//! What several processes that train together agree on.
//!
//! Each has a part of every batch. Its loss counts by its samples, so that the sum of all gradients is the
//! gradient of the loss of the whole batch, whatever the parts' sizes.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use distributed::World;
use distributed::buckets::{Buckets, flat_sums};
use loader::Dataset;
use loader::part::{Part, rows};
use s4_core::autograd::set_gradient;
use s4_core::params::ParamStore;
use s4_core::shard::{self, Shard, Within};
use tch::{Kind, Tensor};

use super::Trainer;
use crate::objective::Objective;
use crate::record::Data;
use crate::train_config::TrainConfig;

/// Checks that all processes are to do the same, and that there is something to do for each.
pub(super) fn check(world: &World, config: &TrainConfig, toml: &str, data: &Data) -> Result<()> {
    let is_divided = config.shards == world.is_divided().then(|| world.size());
    ensure!(is_divided, "train.shards is for trainers within World::divided, each in its thread");
    if world.is_alone() {
        return Ok(());
    }
    let (batch_size, size) = (config.batch_size, world.size());
    let parts = if world.is_divided() { "shards" } else { "processes" };
    ensure!(
        batch_size >= size,
        "train.batch_size is {batch_size}, and there are {size} {parts}: each needs at least one sample of \
         a batch"
    );
    world.same("the settings", toml.as_bytes())?;
    world.same("the data", format!("{:?} {}", data.samples, data.fingerprint).as_bytes())
}

/// How the work is shared, for the beginning of a run.
pub(super) fn describe(world: &World, config: &TrainConfig) -> Option<String> {
    let (size, batch) = (world.size(), config.batch_size);
    let each = match (batch / size, batch.div_ceil(size)) {
        (least, most) if least == most => format!("{most}"),
        (least, most) => format!("{least} or {most}"),
    };
    let parts = match (world.is_divided(), world.processes()) {
        (false, 1) => return None,
        (false, processes) => format!("{processes} processes, each"),
        (true, 1) => format!("{size} shards on one process, each"),
        (true, processes) => format!("{size} shards on {processes} processes, each shard"),
    };
    Some(format!("{parts} with {each} of a batch's {batch} samples"))
}

/// Gives the model of each process the parameters and buffers of the first one's.
pub(super) fn share(world: &World, params: &ParamStore) -> Result<()> {
    if world.is_alone() {
        return Ok(());
    }
    let entries = || params.entries().iter();
    let shapes: Vec<String> = entries()
        .map(|entry| format!("{} {:?} {:?}", entry.name, entry.tensor.size(), entry.tensor.kind()))
        .collect();
    world.same("the model", shapes.join("\n").as_bytes())?;
    entries().try_for_each(|entry| world.broadcast(&entry.tensor.detach()))
}

/// This process's part of the data to train on.
pub(super) fn part<B: Send + 'static>(
    world: &World,
    data: Arc<dyn Dataset<Batch = B>>,
) -> Arc<dyn Dataset<Batch = B>> {
    if world.is_alone() { data } else { Arc::new(Part::new(data, world.rank(), world.size())) }
}

/// The parameters that are trained.
fn trained(params: &ParamStore) -> Vec<&Tensor> {
    let all = params.parameters().map(|(_, tensor, _)| tensor);
    all.filter(|tensor| tensor.requires_grad()).collect()
}

/// Buckets for the gradients of all that is trained.
pub(super) fn buckets(world: &World, params: &ParamStore) -> Result<Option<Buckets>> {
    world.buckets(&trained(params))
}

/// This process's part of a batch, while it is worked on.
pub(super) struct Share {
    /// What its mean loss is to be multiplied by for it to be a share of the mean of all samples.
    pub(super) weight: f64,
    /// Samples of the whole batch.
    pub(super) samples: i64,
    /// Random numbers and statistics are those of the whole batch.
    _within: Within,
}

impl<O: Objective> Trainer<O> {
    /// This process's share of a batch; `None` where it has all of it.
    pub(super) fn share(&self, batch: &O::OnDevice) -> Result<Option<Share>> {
        if self.world.is_alone() {
            return Ok(None);
        }
        let own = self.objective.samples(batch).context(
            "this model does not say how many samples a batch has (Objective::samples), which several \
             processes need to know: leave --processes out",
        )?;
        let samples = self.world.sums(&[own])?[0];
        let of = self.config.batch_size;
        let rows = rows(of, self.world.rank(), self.world.size());
        let shard = Shard {
            rows: rows.start as i64..rows.end as i64,
            of: of as i64,
            peers: Arc::new(self.world.clone()),
        };
        let weight = own as f64 / samples.max(1) as f64;
        Ok(Some(Share { weight, samples, _within: shard::within(shard) }))
    }

    /// Replaces the gradients of this process's share by those of the whole batch, and returns the loss of
    /// that, of which `loss` is this process's share.
    ///
    /// Where buckets were filled during the backward pass, their sums are there or on their way; else it
    /// is one flat sum.
    pub(super) fn sum_gradients(&mut self, loss: &Tensor) -> Result<Tensor> {
        if self.world.is_alone() {
            return Ok(loss.shallow_clone());
        }
        let _guard = tch::no_grad_guard();
        let sums = self.buckets.as_ref().map_or(Ok(None), Buckets::finish)?;
        let params = trained(self.objective.params());
        let own: Vec<Tensor> = params.iter().map(|param| param.grad()).collect();
        // What each host knows of its gradients, so that none waits for its device.
        let has_one = own.iter().map(|gradient| i64::from(gradient.defined()));
        let notes: Vec<i64> = [i64::from(sums.is_none())].into_iter().chain(has_one).collect();
        let notes = self.world.sums(&notes)?;
        let (is_flat, has_one) = (notes[0] > 0, &notes[1..]);
        let sums = match sums {
            Some(sums) if !is_flat => sums,
            _ => {
                // There is more than one backward pass in a step, as there will be in the next.
                self.buckets = None;
                flat_sums(&self.world, &params, &own)?
            }
        };
        // A parameter has no gradient where none of the processes has one.
        for ((param, sum), _) in params.iter().zip(&sums).zip(has_one).filter(|(_, n)| **n > 0) {
            set_gradient(param, Some(sum));
        }
        let loss = loss.f_to_dtype(Kind::Double, false, true)?;
        self.world.sum(&loss)?;
        Ok(loss)
    }

    /// Makes sure that all processes have the same parameters, `flat` in a row.
    pub(super) fn check_parameters(&self, flat: &Tensor) -> Result<()> {
        if self.world.is_alone() {
            return Ok(());
        }
        let bytes = flat.f_to_device(tch::Device::Cpu)?.f_view_dtype(Kind::Uint8)?;
        let what = format!("after step {} the parameters", self.state.step);
        self.world.same(what, &Vec::<u8>::try_from(bytes)?)
    }
}
