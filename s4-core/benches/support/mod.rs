//! Sizes and systems of what is timed here.

pub mod device;
pub mod libtorch;

use anyhow::Result;
use measure::{Measured, Session, Task};
use s4_config::SsmConfig;
use s4_core::device_memory;

use serde_json::json;
use tch::Device;

/// Channels H and states N.
pub const CHANNELS: i64 = 256;
pub const STATES: i64 = 64;
/// Each length is four times the one before.
const LENGTHS: [i64; 6] = [1024, 4096, 16_384, 65_536, 262_144, 1_048_576];

/// The lengths that a session measures.
pub fn lengths(session: &Session) -> &'static [i64] {
    if session.quick() { &LENGTHS[..2] } else { &LENGTHS }
}

/// The length that comes before this one, if there is one.
pub fn shorter(length: i64) -> Option<i64> {
    let at = LENGTHS.iter().position(|&known| known == length)?;
    Some(LENGTHS[at.checked_sub(1)?])
}

/// The initial SSM of `s4` or `s4d`.
pub fn config(model: &str) -> Result<SsmConfig> {
    let init = if model == "s4" { "legs" } else { "diag-lin" };
    Ok(serde_json::from_value(json!({ "mode": model, "d_state": STATES, "init": init }))?)
}

/// Says what all entries have in common.
pub fn describe(session: &mut Session, minutes: f64) -> Result<()> {
    device::describe(session)?;
    session.minutes(minutes);
    session.describe("sizes", format!("H = {CHANNELS}, N = {STATES}, float32"));
    libtorch::describe(session)
}

/// Times `run` with what it does on `device`, and takes the memory there.
pub fn time(task: &Task, device: Device, mut run: impl FnMut() -> Result<()>) -> Result<Measured> {
    let taken = || if device == Device::Cpu { Ok(0) } else { device_memory::peak(device) };
    if device != Device::Cpu {
        libtorch::wait(device);
        device_memory::reset_peak(device)?;
    }
    let before = taken()?;
    let mut measured = task.time(|| {
        run()?;
        libtorch::wait(device);
        Ok(())
    })?;
    if device != Device::Cpu {
        measured.peak_bytes = (taken()? - before) as f64;
    }
    Ok(measured)
}
