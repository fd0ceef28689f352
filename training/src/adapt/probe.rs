//! The head first, then everything.

use anyhow::Result;
use s4_core::params::ParamStore;
use tch::Tensor;

use super::is_base;

/// The weights of a base that begin to be trained at a step.
#[derive(Debug)]
pub(super) struct ProbeFirst {
    base: Vec<Tensor>,
    until: u64,
}

impl ProbeFirst {
    pub(super) fn new(store: &ParamStore, until: u64) -> Self {
        let base = store.parameters().filter(|(name, ..)| is_base(name));
        Self { base: base.map(|(_, tensor, _)| tensor.shallow_clone()).collect(), until }
    }

    /// What gets no gradient is left alone by the optimiser.
    pub(super) fn before(&self, step: u64) -> Result<()> {
        for tensor in &self.base {
            let _ = tensor.f_set_requires_grad(step >= self.until)?;
        }
        Ok(())
    }
}
