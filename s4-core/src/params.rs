//! Named parameters and buffers of a model, in the order of their creation.
//!
//! `tch::nn::VarStore` renames duplicates silently, forgets the order, and loads whatever it can
//! broadcast. A [`ParamStore`] refuses duplicates, keeps the order, remembers how each parameter
//! wants to be optimised, and loads a [`StateDict`] strictly.

use std::collections::HashMap;

use anyhow::{Context, Result, bail};
use tch::{Device, Kind, Tensor};

use crate::autograd;
use crate::state_dict::StateDict;

/// How a parameter departs from the optimiser's global settings; `None` means "as the rest".
///
/// S4 trains Δ, A and B with their own, smaller step and without weight decay (S4 paper, appendix
/// on training; `register` in the official code).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Hyper {
    /// Learning rate of its own. `Some(0.0)` freezes the parameter.
    pub lr: Option<f64>,
    /// Weight decay of its own.
    pub weight_decay: Option<f64>,
}

impl Hyper {
    /// Global learning rate, no weight decay: biases and norms.
    pub const NO_DECAY: Hyper = Hyper { lr: None, weight_decay: Some(0.0) };
    /// Global learning rate and decay.
    pub const GLOBAL: Hyper = Hyper { lr: None, weight_decay: None };
    /// Not trained, unless a group of the run's says so.
    pub const FROZEN: Hyper = Hyper { lr: Some(0.0), weight_decay: Some(0.0) };
}

/// What an entry of the store is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Role {
    /// Trained, with these optimiser settings.
    Parameter(Hyper),
    /// Saved with the model but not trained (running statistics, kernel lengths).
    Buffer,
    /// Neither trained nor saved: a weight of another model, which this one is built on.
    Base,
}

/// One named tensor of a model.
#[derive(Debug)]
pub struct Entry {
    /// Full name, parts joined by dots, as in an official state dict.
    pub name: String,
    /// The tensor, shared with the layer that uses it.
    pub tensor: Tensor,
    /// Trained or not, and how.
    pub role: Role,
}

/// All tensors of one model.
#[derive(Debug)]
pub struct ParamStore {
    entries: Vec<Entry>,
    index: HashMap<String, usize>,
    device: Device,
    kind: Kind,
}

impl ParamStore {
    /// An empty store whose floating point tensors will live on `device` as `kind` (Float or
    /// Double).
    pub fn new(device: Device, kind: Kind) -> Self {
        Self { entries: Vec::new(), index: HashMap::new(), device, kind }
    }

    /// Where the tensors live.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Floating point kind of the tensors.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The scope without a prefix, from which layers register their tensors.
    pub fn root(&mut self) -> Scope<'_> {
        Scope { store: self, prefix: String::new() }
    }

    /// Every entry in order of creation.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The trained entries with their optimiser settings, in order of creation.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &Tensor, Hyper)> {
        self.entries.iter().filter_map(|e| match e.role {
            Role::Parameter(hyper) => Some((e.name.as_str(), &e.tensor, hyper)),
            Role::Buffer | Role::Base => None,
        })
    }

    /// The tensor called `name`.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.index.get(name).map(|&i| &self.entries[i].tensor)
    }

    /// Number of trained scalars.
    pub fn num_parameters(&self) -> usize {
        self.parameters().map(|(_, t, _)| t.numel()).sum()
    }

    /// All tensors that are saved, by name; they share storage with the model.
    pub fn state_dict(&self) -> StateDict {
        self.saved().map(|e| (e.name.clone(), e.tensor.detach())).collect()
    }

    /// Makes [`Role::Base`] of what `is_base` says: it gets no gradient, and no place in
    /// [`Self::state_dict`].
    pub fn keep_apart(&mut self, is_base: impl Fn(&Entry) -> bool) {
        for entry in &mut self.entries {
            if is_base(entry) {
                entry.role = Role::Base;
                let _ = entry.tensor.set_requires_grad(false);
            }
        }
    }

    fn saved(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|e| e.role != Role::Base)
    }

    /// Copies `dict` into the model. Names, shapes and kinds must all match; otherwise nothing is
    /// changed and the error lists what differs.
    pub fn load_state_dict(&self, dict: &StateDict) -> Result<()> {
        dict.check_fits(&self.state_dict())
            .context("the state dict belongs to a model of another configuration")?;
        let _guard = tch::no_grad_guard();
        for e in self.saved() {
            let source = dict.get(&e.name).expect("checked above");
            // copy_ through a detached alias: the leaf itself keeps requiring gradients.
            let mut alias = e.tensor.detach();
            alias.f_copy_(source)?;
        }
        Ok(())
    }

    /// Takes all gradients away, as PyTorch's `zero_grad` does: the next backward pass sets them
    /// instead of adding to them.
    pub fn zero_grad(&self) {
        for (_, tensor, _) in self.parameters() {
            autograd::set_gradient(tensor, None);
        }
    }
}

/// A place in the name hierarchy of a [`ParamStore`].
#[derive(Debug)]
pub struct Scope<'a> {
    store: &'a mut ParamStore,
    prefix: String,
}

impl Scope<'_> {
    /// The scope `name` below this one.
    pub fn sub(&mut self, name: impl std::fmt::Display) -> Scope<'_> {
        let prefix = self.full_name(&name.to_string());
        Scope { store: self.store, prefix }
    }

    /// Where the tensors of the store live.
    pub fn device(&self) -> Device {
        self.store.device
    }

    /// Floating point kind of the store.
    pub fn kind(&self) -> Kind {
        self.store.kind
    }

    /// Registers a trained tensor with initial value `value`.
    ///
    /// # Errors
    /// If the name is taken.
    pub fn parameter(&mut self, name: &str, value: &Tensor, hyper: Hyper) -> Result<Tensor> {
        // A copy: the caller's tensor must not change when the model learns.
        let tensor = value
            .detach()
            .f_to_device(self.store.device)?
            .f_to_kind(self.store.kind)?
            .contiguous()
            .copy()
            .f_set_requires_grad(true)?;
        self.insert(name, tensor, Role::Parameter(hyper))
    }

    /// Registers an untrained tensor with initial value `value`.
    ///
    /// Integer buffers (lengths, counters) stay on the CPU, where reading one does not make the
    /// host wait for the device.
    ///
    /// # Errors
    /// If the name is taken.
    pub fn buffer(&mut self, name: &str, value: &Tensor) -> Result<Tensor> {
        let value = value.detach();
        let value = if value.is_floating_point() {
            value.f_to_device(self.store.device)?.f_to_kind(self.store.kind)?
        } else {
            value.f_to_device(Device::Cpu)?
        };
        self.insert(name, value.copy(), Role::Buffer)
    }

    fn full_name(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}.{name}", self.prefix) }
    }

    fn insert(&mut self, name: &str, tensor: Tensor, role: Role) -> Result<Tensor> {
        let name = self.full_name(name);
        if self.store.index.contains_key(&name) {
            bail!("two parameters are called {name}");
        }
        let handle = tensor.shallow_clone();
        self.store.index.insert(name.clone(), self.store.entries.len());
        self.store.entries.push(Entry { name, tensor, role });
        Ok(handle)
    }
}
