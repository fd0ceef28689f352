//! What tells models and inputs apart.

use anyhow::Result;
use s4_core::params::ParamStore;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tch::{Device, Kind};

/// SHA-256 of a model's settings and weights, as 16 hexadecimal digits.
///
/// # Errors
/// If the settings cannot be written.
pub fn of_model(settings: &impl Serialize, params: &ParamStore) -> Result<String> {
    let mut hash = Sha256::new();
    hash.update(serde_json::to_vec(settings)?);
    let weights = params.state_dict();
    for (name, tensor) in weights.iter() {
        hash.update(name);
        let values = tensor.to_device(Device::Cpu).to_kind(Kind::Double).flatten(0, -1);
        let values = Vec::<f64>::try_from(values)?;
        values.iter().for_each(|value| hash.update(value.to_le_bytes()));
    }
    Ok(digits(hash))
}

/// The beginning of a hash, as 16 hexadecimal digits.
pub(crate) fn digits(hash: Sha256) -> String {
    hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
