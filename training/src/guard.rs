//! Watches for NaN and infinity, and names the first tensor that has them.
//!
//! Every step leaves two small tensors on the device: the loss, and the largest absolute gradient
//! element of each parameter (NaN where there is a NaN). Nothing waits for them until they are read
//! together, every few steps; which step and which gradient went wrong is then still known,
//! although by that time NaN may be everywhere.

use std::fmt;

use anyhow::{Result, ensure};
use s4_core::foreach;
use s4_core::params::ParamStore;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

/// Collects what is needed to say where a run diverged.
#[derive(Debug)]
pub struct Guard {
    every: usize,
    /// Steps that were not read yet.
    pending: Vec<Record>,
}

/// One step, on the device.
#[derive(Debug)]
struct Record {
    step: u64,
    /// A scalar.
    loss: Tensor,
    /// The parameters with a gradient, as positions in `ParamStore::parameters`.
    with_grad: Vec<usize>,
    /// Their largest absolute gradient elements, one number each.
    max_abs: Option<Tensor>,
}

/// A loss or gradient that is not finite.
#[derive(Debug, Clone, PartialEq)]
pub struct Divergence {
    /// The step in which it was first seen, as counted by the caller.
    pub step: u64,
    /// The loss of that step.
    pub loss: f64,
    /// Gradients that were not finite in that step, in model order.
    pub bad_gradients: Vec<String>,
    /// How many parameters had a gradient in that step.
    pub gradients: usize,
    /// The first of `bad_gradients` in detail, where the gradients of that step still existed.
    pub first_gradient: Option<Census>,
    /// The first parameter or buffer in model order whose values are not finite at the time of reading.
    pub first_value: Option<Census>,
    /// The step that was the last when this was read. Up to and including it, updates may have been
    /// made with bad gradients.
    pub read_at: u64,
}

/// NaN and infinity in one tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Census {
    /// Name of the parameter or buffer.
    pub name: String,
    /// Elements that are NaN.
    pub nan: i64,
    /// Elements that are infinite.
    pub inf: i64,
    /// All elements.
    pub total: i64,
}

impl Guard {
    /// A guard that reads its records every `every` steps, at least 1. Reading waits for the device
    /// once; with 1 no bad gradient ever reaches a parameter.
    ///
    /// # Errors
    /// If `every` is 0.
    pub fn new(every: usize) -> Result<Self> {
        ensure!(every > 0, "the interval of the divergence check is 0; it must be at least 1 step");
        Ok(Self { every, pending: Vec::new() })
    }

    /// Records step `step`; to be called between the backward pass and the optimiser's step. In
    /// every `every`th call the records are read, and the first trouble among them is returned.
    ///
    /// # Errors
    /// If `loss` is no scalar, or libtorch refuses.
    pub fn check(
        &mut self,
        step: u64,
        loss: &Tensor,
        store: &ParamStore,
    ) -> Result<Option<Divergence>> {
        self.pending.push(Record::take(step, loss, store)?);
        if self.pending.len() < self.every { Ok(None) } else { self.read(store) }
    }

    /// Reads what was recorded since the last reading: before a checkpoint is saved, so that none
    /// is made of NaN, and at the end of a run.
    ///
    /// # Errors
    /// If libtorch refuses.
    pub fn read(&mut self, store: &ParamStore) -> Result<Option<Divergence>> {
        let records = std::mem::take(&mut self.pending);
        let Some(last) = records.last() else {
            return Ok(None);
        };
        let read_at = last.step;
        let on_host = fetch(&records)?;
        let Some(at) = first_bad(&on_host) else {
            return Ok(None);
        };
        let (record, (loss, max_abs)) = (&records[at], &on_host[at]);
        let names: Vec<&str> = store.parameters().map(|(name, _, _)| name).collect();
        let bad: Vec<usize> = record
            .with_grad
            .iter()
            .zip(max_abs)
            .filter_map(|(&index, max)| (!max.is_finite()).then_some(index))
            .collect();
        let first_gradient = match bad.first() {
            Some(&index) if record.step == read_at => {
                let (name, tensor, _) = store.parameters().nth(index).expect("index of the store");
                Some(Census::of(name, &tensor.grad())?)
            }
            _ => None,
        };
        Ok(Some(Divergence {
            step: record.step,
            loss: *loss,
            bad_gradients: bad.iter().map(|&index| names[index].to_owned()).collect(),
            gradients: record.with_grad.len(),
            first_gradient,
            first_value: first_bad_value(store)?,
            read_at,
        }))
    }

    /// Forgets what was recorded: after a roll-back.
    pub fn reset(&mut self) {
        self.pending.clear();
    }
}

impl Record {
    fn take(step: u64, loss: &Tensor, store: &ParamStore) -> Result<Self> {
        ensure!(loss.numel() == 1, "the loss has shape {:?}; it must be a scalar", loss.size());
        let _guard = tch::no_grad_guard();
        let (mut with_grad, mut grads) = (Vec::new(), Vec::new());
        for (index, (_, tensor, _)) in store.parameters().enumerate() {
            let grad = tensor.grad();
            if grad.defined() && grad.numel() > 0 {
                with_grad.push(index);
                grads.push(grad);
            }
        }
        let max_abs = foreach::max_abs(&grads.iter().collect::<Vec<_>>())?;
        let max_abs = if max_abs.is_empty() { None } else { Some(Tensor::f_stack(&max_abs, 0)?) };
        // A copy: the caller may go on to scale or accumulate into the loss.
        let loss = loss.detach().f_reshape([] as [i64; 0])?.f_to_dtype(loss.kind(), false, true)?;
        Ok(Self { step, loss, with_grad, max_abs })
    }
}

/// Loss and gradient maxima of every record, in two transfers.
fn fetch(records: &[Record]) -> Result<Vec<(f64, Vec<f64>)>> {
    let losses: Vec<&Tensor> = records.iter().map(|r| &r.loss).collect();
    let losses = to_host(&Tensor::f_stack(&losses, 0)?)?;
    let maxima: Vec<&Tensor> = records.iter().filter_map(|r| r.max_abs.as_ref()).collect();
    let maxima = if maxima.is_empty() { vec![] } else { to_host(&Tensor::f_cat(&maxima, 0)?)? };
    let mut rest = maxima.into_iter();
    Ok(records
        .iter()
        .zip(losses)
        .map(|(record, loss)| (loss, rest.by_ref().take(record.with_grad.len()).collect()))
        .collect())
}

fn to_host(values: &Tensor) -> Result<Vec<f64>> {
    Ok(Vec::try_from(values.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?)?)
}

/// The first step whose loss or a gradient of which is not finite.
fn first_bad(steps: &[(f64, Vec<f64>)]) -> Option<usize> {
    steps.iter().position(|(loss, max_abs)| {
        !loss.is_finite() || max_abs.iter().any(|value| !value.is_finite())
    })
}

/// The first parameter or buffer that holds NaN or infinity, in model order.
fn first_bad_value(store: &ParamStore) -> Result<Option<Census>> {
    for entry in store.entries() {
        if entry.tensor.is_floating_point() {
            let census = Census::of(&entry.name, &entry.tensor)?;
            if census.nan + census.inf > 0 {
                return Ok(Some(census));
            }
        }
    }
    Ok(None)
}

impl Census {
    fn of(name: &str, tensor: &Tensor) -> Result<Self> {
        let tensor = tensor.detach();
        Ok(Self {
            name: name.to_owned(),
            nan: i64::try_from(tensor.f_isnan()?.f_sum(Kind::Int64)?)?,
            inf: i64::try_from(tensor.f_isinf()?.f_sum(Kind::Int64)?)?,
            total: tensor.numel() as i64,
        })
    }
}

impl fmt::Display for Census {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} NaN and {} infinite of {})", self.name, self.nan, self.inf, self.total)
    }
}

/// Cause, as far as it is known, and remedy.
impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "training diverged at step {}: the loss is {}", self.step, self.loss)?;
        if let Some(first) = self.bad_gradients.first() {
            write!(f, "\n  first bad gradient: ")?;
            match &self.first_gradient {
                Some(census) => write!(f, "{census}")?,
                None => write!(f, "{first}")?,
            }
            write!(f, "; {} of {} gradients are bad", self.bad_gradients.len(), self.gradients)?;
            if let (true, Some(last)) = (self.loss.is_finite(), self.bad_gradients.last()) {
                write!(f, ", the one nearest the loss is {last}")?;
            }
        }
        match &self.first_value {
            Some(census) => write!(f, "\n  first bad parameter or buffer: {census}")?,
            None => write!(f, "\n  all parameters and buffers are finite")?,
        }
        if self.read_at > self.step {
            write!(
                f,
                ", after {} more updates (this was read at step {}; a check in every step stops \
                 before the first)",
                self.read_at - self.step,
                self.read_at
            )?;
        }
        write!(
            f,
            "\n  Try a lower learning rate, a longer warm-up, or gradient clipping (clip_norm = \
             1.0), from the last good checkpoint; if the first steps of a run diverge, look at the \
             data for NaN."
        )
    }
}

impl std::error::Error for Divergence {}

/// What a run does when it diverged.
// `Stop` has braces: serde would let a unit variant swallow unknown settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "policy", rename_all = "snake_case", deny_unknown_fields)]
pub enum OnDivergence {
    /// Stop with the report as the error.
    Stop {},
    /// Go back to the last checkpoint with a lower learning rate. Data and dropout masks repeat
    /// exactly, so at the same rate the run would diverge again.
    RollBack {
        /// What each roll-back multiplies the learning rate by, in (0, 1).
        #[serde(default = "default_lr_scale")]
        lr_scale: f64,
        /// Number of roll-backs, at least 1, after which the run stops.
        #[serde(default = "default_at_most")]
        at_most: u32,
    },
}

impl Default for OnDivergence {
    fn default() -> Self {
        Self::Stop {}
    }
}

fn default_lr_scale() -> f64 {
    0.5
}

fn default_at_most() -> u32 {
    3
}

/// What is to be done about one divergence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Decision {
    /// Stop the run.
    Stop,
    /// Load the last checkpoint, and from then on multiply the schedule's factor by `lr_scale`, the
    /// product of all roll-backs.
    RollBack {
        /// In (0, 1).
        lr_scale: f64,
    },
}

impl OnDivergence {
    /// Checks the ranges.
    ///
    /// # Errors
    /// Names the setting that is out of range, and the range.
    pub fn validate(&self) -> Result<()> {
        if let OnDivergence::RollBack { lr_scale, at_most } = *self {
            ensure!(
                lr_scale > 0.0 && lr_scale < 1.0,
                "on_divergence.lr_scale is {lr_scale}; it must be above 0 and below 1"
            );
            ensure!(at_most > 0, "on_divergence.at_most is 0; use policy = \"stop\" instead");
        }
        Ok(())
    }

    /// What to do about a divergence in a run that has rolled back `before` times.
    pub fn decide(&self, before: u32) -> Decision {
        match *self {
            OnDivergence::RollBack { at_most, .. } if before < at_most => {
                Decision::RollBack { lr_scale: self.lr_scale_after(before + 1) }
            }
            _ => Decision::Stop,
        }
    }

    /// What the schedule's factor is multiplied by after `rollbacks` roll-backs; 1 after none. A
    /// resumed run needs no more than their number.
    pub fn lr_scale_after(&self, rollbacks: u32) -> f64 {
        match *self {
            OnDivergence::RollBack { lr_scale, .. } => {
                (0..rollbacks).fold(1.0, |product, _| product * lr_scale)
            }
            OnDivergence::Stop {} => 1.0,
        }
    }
}
