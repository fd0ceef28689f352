//! AdamW (Loshchilov & Hutter 2019; conventions of `torch.optim.AdamW`) or, by a setting, stochastic
//! gradient descent with momentum, with named, saved state.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result, ensure};
use s4_core::foreach::{self, AdamWLists};
use s4_core::params::ParamStore;
use s4_core::state_dict::StateDict;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use smart_default::SmartDefault;
use tch::{Device, Kind, Tensor};

use super::groups::{Group, GroupConfig, Summary, group_parameters};
use super::plain;

/// Settings of the optimiser, as they stand in a config file.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerConfig {
    /// Learning rate of the parameters without one of their own, at least 0.
    #[default(1e-3)]
    pub lr: f64,
    /// Decoupled weight decay of the parameters without one of their own, at least 0. A step
    /// multiplies the parameter by `1 - lr * weight_decay`.
    #[default(0.01)]
    pub weight_decay: f64,
    /// Decay of the first moment, in [0, 1).
    #[default(0.9)]
    pub beta1: f64,
    /// Decay of the second moment, in [0, 1).
    #[default(0.999)]
    pub beta2: f64,
    /// Added to the root of the second moment, at least 0.
    #[default(1e-8)]
    pub eps: f64,
    /// Momentum, in [0, 1), of stochastic gradient descent, which then takes AdamW's place: `beta1`,
    /// `beta2` and `eps` have no effect, and weight decay is added to the gradient, as by
    /// `torch.optim.SGD`.
    pub momentum: Option<f64>,
    /// Largest joint L2 norm of the gradients, above 0; nothing is clipped where it is missing.
    pub clip_norm: Option<f64>,
    /// Largest magnitude of an entry of a gradient, above 0; nothing is clipped where it is missing.
    pub clip_value: Option<f64>,
}

impl OptimizerConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// Names the setting that is out of range, and the range.
    pub fn validate(&self) -> Result<()> {
        for (name, value) in
            [("lr", self.lr), ("weight_decay", self.weight_decay), ("eps", self.eps)]
        {
            ensure!(value.is_finite() && value >= 0.0, "{name} is {value}; it must be at least 0");
        }
        let momentum = self.momentum.unwrap_or(0.0);
        for (name, value) in [("beta1", self.beta1), ("beta2", self.beta2), ("momentum", momentum)]
        {
            ensure!(
                (0.0..1.0).contains(&value),
                "{name} is {value}; it must be at least 0 and below 1"
            );
        }
        for (name, limit) in [("clip_norm", self.clip_norm), ("clip_value", self.clip_value)] {
            if let Some(limit) = limit {
                ensure!(
                    limit > 0.0,
                    "{name} is {limit}; it must be above 0 (leave it out to not clip)"
                );
            }
        }
        Ok(())
    }
}

/// How a step is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// One libtorch call for all tensors of a group.
    Fused,
    /// Tensor operations, tensor by tensor: some twelve launches for each.
    Plain,
}

/// The optimiser of one model.
#[derive(Debug)]
pub struct Optimizer {
    config: OptimizerConfig,
    backend: Backend,
    groups: Vec<Group>,
    /// The state of every group that is not frozen.
    trained: Vec<TrainedGroup>,
}

#[derive(Debug)]
struct TrainedGroup {
    lr: f64,
    weight_decay: f64,
    slots: Vec<Slot>,
}

/// State of one parameter.
#[derive(Debug)]
struct Slot {
    name: String,
    /// Shares storage with the model.
    param: Tensor,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    /// Updates so far. They differ between parameters where one gets no gradient in some steps.
    step: i64,
}

impl Optimizer {
    /// An optimiser for the parameters of `store`. Those that are frozen require no gradient from
    /// then on.
    ///
    /// # Errors
    /// If a setting is out of range, the parameters are neither Float nor Double, or all are
    /// frozen.
    pub fn new(store: &ParamStore, config: OptimizerConfig) -> Result<Self> {
        Self::with_groups(store, config, &[])
    }

    /// As [`Optimizer::new`] with settings by name.
    ///
    /// # Errors
    /// Also if no parameter has a name of `by_name`.
    pub fn with_groups(
        store: &ParamStore,
        config: OptimizerConfig,
        by_name: &[GroupConfig],
    ) -> Result<Self> {
        let has_fused = matches!(store.device(), Device::Cpu | Device::Cuda(_));
        let backend = if has_fused { Backend::Fused } else { Backend::Plain };
        Self::build(store, config, by_name, backend)
    }

    /// As [`Optimizer::new`] with a backend of the caller's choice.
    ///
    /// # Errors
    /// As [`Optimizer::new`].
    pub fn with_backend(
        store: &ParamStore,
        config: OptimizerConfig,
        backend: Backend,
    ) -> Result<Self> {
        Self::build(store, config, &[], backend)
    }

    fn build(
        store: &ParamStore,
        config: OptimizerConfig,
        by_name: &[GroupConfig],
        backend: Backend,
    ) -> Result<Self> {
        config.validate()?;
        ensure!(
            matches!(store.kind(), Kind::Float | Kind::Double),
            "parameters are {:?}; the optimiser works on Float and Double (cast inside the \
             layers to compute in less)",
            store.kind()
        );
        let groups = group_parameters(store, config.lr, config.weight_decay, by_name)?;
        let (frozen, rest): (Vec<_>, Vec<_>) = groups.iter().partition(|group| group.is_frozen());
        ensure!(
            frozen.is_empty() || !rest.is_empty(),
            "all parameters are frozen; nothing can be learned"
        );
        for name in frozen.iter().flat_map(|group| &group.names) {
            let param = store.get(name).context("a group names a parameter of the store")?;
            let _ = param.f_set_requires_grad(false)?;
        }
        let trained = rest
            .into_iter()
            .map(|group| {
                let slots = group.names.iter().map(|name| Slot::new(store, name));
                Ok(TrainedGroup {
                    lr: group.lr,
                    weight_decay: group.weight_decay,
                    slots: slots.collect::<Result<_>>()?,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self { config, backend, groups, trained })
    }

    /// The settings it was made with.
    pub fn config(&self) -> &OptimizerConfig {
        &self.config
    }

    /// How steps are computed.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// The parameter groups, frozen ones included, in model order.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The trained parameters, group by group.
    pub fn parameters(&self) -> impl Iterator<Item = &Tensor> {
        self.slots().map(|slot| &slot.param)
    }

    /// The learning rates of the groups with one of their own, frozen ones left out, by what is in them
    /// (`log_dt+A_real`), at `lr_factor`. Of groups of the same parts the later ones are numbered.
    pub fn own_rates(&self, lr_factor: f64) -> Vec<(String, f64)> {
        let mut rates: Vec<(String, f64)> = Vec::new();
        for group in self.groups.iter().filter(|group| group.own_rate && !group.is_frozen()) {
            let parts = group.kinds().join("+");
            let is_of_these = |name: &str| name.split('#').next() == Some(&*parts);
            let before = rates.iter().filter(|(name, _)| is_of_these(name)).count();
            let name = if before == 0 { parts } else { format!("{parts}#{}", before + 1) };
            rates.push((name, group.lr * lr_factor));
        }
        rates
    }

    /// All trained parameters in one row, copied. The host does not wait for the device.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn flat(&self) -> Result<Tensor> {
        let _guard = tch::no_grad_guard();
        Ok(Tensor::f_flatten_dense_tensors(&self.parameters().collect::<Vec<_>>())?)
    }

    /// One update from the gradients of the last backward pass. Every group uses its own base rate
    /// times `lr_factor`, the schedule's value (at least 0).
    ///
    /// Parameters without a gradient are left alone, their moments and step count included, as in
    /// PyTorch. The host does not wait for the device.
    ///
    /// # Errors
    /// If the factor is negative or not finite, or no parameter has a gradient.
    pub fn step(&mut self, lr_factor: f64) -> Result<()> {
        ensure!(
            lr_factor.is_finite() && lr_factor >= 0.0,
            "the schedule's learning rate factor is {lr_factor}; it must be at least 0"
        );
        let _guard = tch::no_grad_guard();
        let mut updated = 0;
        for group in &mut self.trained {
            let update = foreach::AdamW {
                lr: group.lr * lr_factor,
                weight_decay: group.weight_decay,
                beta1: self.config.beta1,
                beta2: self.config.beta2,
                eps: self.config.eps,
            };
            updated += group.step(&update, self.config.momentum, self.backend)?;
        }
        ensure!(
            updated > 0 || self.trained.is_empty(),
            "no parameter has a gradient: the optimiser steps after a backward pass of a loss that \
             depends on the parameters"
        );
        Ok(())
    }

    /// The state as named tensors: for every trained parameter `<name>.exp_avg` and
    /// `<name>.exp_avg_sq` of its shape, kind and device, and `<name>.step`, an Int64 scalar on the
    /// CPU. The moments share storage with the optimiser, so the next step changes them.
    pub fn state_dict(&self) -> StateDict {
        self.slots().flat_map(|slot| slot.entries()).collect()
    }

    /// Continues from a state that [`Optimizer::state_dict`] returned. Names, shapes and kinds must all
    /// match; otherwise nothing is changed. Devices may differ.
    ///
    /// # Errors
    /// Lists what does not fit.
    pub fn load_state_dict(&mut self, dict: &StateDict) -> Result<()> {
        let steps = self.check(dict)?;
        let _guard = tch::no_grad_guard();
        for (slot, step) in self.trained.iter_mut().flat_map(|g| &mut g.slots).zip(steps) {
            slot.step = step;
            for (key, mut own) in slot.entries() {
                if !key.ends_with(".step") {
                    own.f_copy_(dict.get(&key).context("checked above")?)?;
                }
            }
        }
        Ok(())
    }

    /// The step counts of `dict` in the order of the slots, if everything fits.
    fn check(&self, dict: &StateDict) -> Result<Vec<i64>> {
        dict.check_fits(&self.state_dict()).context(
            "the optimiser state belongs to a model of another configuration, or other parameters \
             were frozen",
        )?;
        let mut steps = Vec::new();
        for slot in self.slots() {
            let key = format!("{}.step", slot.name);
            let step = i64::try_from(dict.get(&key).context("checked above")?)?;
            ensure!(step >= 0, "the optimiser state is damaged: {key} is {step}, not a step count");
            steps.push(step);
        }
        Ok(steps)
    }

    fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.trained.iter().flat_map(|group| &group.slots)
    }
}

/// The optimiser in a few lines for the start of a run.
impl fmt::Display for Optimizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OptimizerConfig { beta1, beta2, eps, clip_norm, clip_value, .. } = &self.config;
        match (self.config.momentum, self.backend) {
            (Some(momentum), _) => write!(f, "SGD, momentum {momentum}")?,
            (None, backend) => {
                write!(f, "AdamW, {}", if backend == Backend::Fused { "fused" } else { "plain" })?;
                write!(f, ", betas ({beta1}, {beta2}), eps {eps:e}")?;
            }
        }
        if let Some(norm) = clip_norm {
            write!(f, ", gradient norm at most {norm}")?;
        }
        if let Some(value) = clip_value {
            write!(f, ", gradients at most {value}")?;
        }
        write!(f, "\n{}", Summary(&self.groups))
    }
}

impl TrainedGroup {
    /// Updates the parameters that have a gradient; returns how many.
    fn step(
        &mut self,
        update: &foreach::AdamW,
        momentum: Option<f64>,
        backend: Backend,
    ) -> Result<usize> {
        // A fused call takes one step count, so parameters go by theirs: as a rule one bucket.
        let mut by_step: BTreeMap<i64, Vec<(&Slot, Tensor)>> = BTreeMap::new();
        let mut updated = 0;
        for slot in &mut self.slots {
            let grad = slot.param.grad();
            if grad.defined() {
                slot.step += 1;
                updated += 1;
                by_step.entry(slot.step).or_default().push((slot, grad));
            }
        }
        for (step, members) in by_step {
            match (momentum, backend) {
                (Some(momentum), _) => {
                    for (slot, grad) in &members {
                        plain::sgd(&slot.param, grad, &slot.exp_avg, momentum, update)
                            .with_context(|| format!("updating {}", slot.name))?;
                    }
                }
                (None, Backend::Fused) => {
                    let mut lists = AdamWLists::default();
                    for (slot, grad) in &members {
                        lists.params.push(&slot.param);
                        lists.grads.push(grad);
                        lists.exp_avgs.push(&slot.exp_avg);
                        lists.exp_avg_sqs.push(&slot.exp_avg_sq);
                    }
                    foreach::adamw(&lists, step, update)?;
                }
                (None, Backend::Plain) => {
                    for (slot, grad) in &members {
                        let Slot { param, exp_avg, exp_avg_sq, .. } = slot;
                        plain::adamw(param, grad, exp_avg, exp_avg_sq, step, update)
                            .with_context(|| format!("updating {}", slot.name))?;
                    }
                }
            }
        }
        Ok(updated)
    }
}

impl Slot {
    fn new(store: &ParamStore, name: &str) -> Result<Self> {
        let param = store.get(name).context("a group names a parameter of the store")?;
        ensure!(
            param.is_contiguous(),
            "parameter {name} is not contiguous; the optimiser needs it to be"
        );
        Ok(Self {
            name: name.to_owned(),
            param: param.shallow_clone(),
            exp_avg: param.detach().f_zeros_like()?,
            exp_avg_sq: param.detach().f_zeros_like()?,
            step: 0,
        })
    }

    fn entries(&self) -> [(String, Tensor); 3] {
        [
            (format!("{}.exp_avg", self.name), self.exp_avg.shallow_clone()),
            (format!("{}.exp_avg_sq", self.name), self.exp_avg_sq.shallow_clone()),
            (format!("{}.step", self.name), Tensor::from(self.step)),
        ]
    }
}
