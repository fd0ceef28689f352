//! The systems and blocks that are looked at.

use anyhow::Result;
use s4_config::{Convolution, S4BlockConfig, SsmConfig};

use s4_core::layer::dropout::Dropout;
use s4_core::layer::s4_block::S4Block;
use s4_core::params::ParamStore;
use s4_core::ssm::parameters::SsmParameters;
use serde_json::json;
use tch::{Device, Kind};

/// No dropout: what is random cannot be compared.
pub const NO_DROPOUT: Dropout = Dropout { p: 0.0, tied: true };

/// A system or block to be made.
#[derive(Debug, Clone, Copy)]
pub struct Model {
    /// Diagonal rather than diagonal plus low rank.
    pub diagonal: bool,
    /// In both directions.
    pub bidirectional: bool,
    /// Channels H.
    pub channels: i64,
    /// States N.
    pub states: i64,
}

impl Model {
    /// S4 and S4D, each in one direction and in both.
    pub fn all(channels: i64, states: i64) -> [Self; 4] {
        [(false, false), (false, true), (true, false), (true, true)]
            .map(|(diagonal, bidirectional)| Self { diagonal, bidirectional, channels, states })
    }

    /// Its name in the report.
    pub fn name(&self) -> String {
        let mode = if self.diagonal { "S4D" } else { "S4" };
        let directions = if self.bidirectional { "both directions" } else { "one direction" };
        format!("{mode}, {directions}")
    }

    fn ssm(&self) -> Result<SsmConfig> {
        let (mode, init) = if self.diagonal { ("s4d", "diag-lin") } else { ("s4", "legs") };
        Ok(serde_json::from_value(json!({ "mode": mode, "init": init, "d_state": self.states }))?)
    }

    /// Its parameters, always the same.
    pub fn systems(&self, device: Device) -> Result<(ParamStore, SsmParameters)> {
        tch::manual_seed(1);
        let mut store = ParamStore::new(device, Kind::Float);
        let kernels = if self.bidirectional { 2 } else { 1 };
        let systems = SsmParameters::new(&mut store.root(), self.channels, kernels, &self.ssm()?)?;
        Ok((store, systems))
    }

    /// A block with GLU, with the same parameters on every device and in every kind: numbers of
    /// float32.
    pub fn block(
        &self,
        convolution: Convolution,
        (kind, device): (Kind, Device),
    ) -> Result<(ParamStore, S4Block)> {
        tch::manual_seed(1);
        let mut store = ParamStore::new(device, kind);
        let config = S4BlockConfig {
            bidirectional: self.bidirectional,
            convolution,
            ssm: self.ssm()?,
            ..S4BlockConfig::default()
        };
        let block = S4Block::new(&mut store.root(), self.channels, &config, NO_DROPOUT)?;
        for entry in store.entries().iter().filter(|entry| entry.tensor.is_floating_point()) {
            entry.tensor.detach().f_copy_(&entry.tensor.detach().to_kind(Kind::Float))?;
        }
        Ok((store, block))
    }
}
