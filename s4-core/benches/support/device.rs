//! The device of a benchmark.

use anyhow::{Context, Result, anyhow, ensure};
use measure::Session;
use tch::{Cuda, Device};

/// The option of a benchmark that names it: `cpu`, `cuda` or `cuda:N`.
pub const OPTION: &str = "--device";

/// What the option says, the CPU by default. To be asked before any call of libtorch.
pub fn device(request: Option<&str>) -> Result<Device> {
    let index = match request.unwrap_or("cpu") {
        "cpu" => return Ok(Device::Cpu),
        "cuda" => 0,
        other => other
            .strip_prefix("cuda:")
            .and_then(|index| index.parse().ok())
            .with_context(|| format!("unknown device {other}; use cpu, cuda or cuda:N"))?,
    };
    cuda::libtorch::load().map_err(|message| anyhow!(message))?;
    let count = usize::try_from(Cuda::device_count()).unwrap_or(0);
    ensure!(count > 0, cuda::libtorch::no_device());
    ensure!(index < count, "there is no device {index}: {count} found, counted from 0");
    Ok(Device::Cuda(index))
}

/// Says which it is. A device's memory is not the machine's: what does not fit there fails.
pub fn describe(session: &mut Session) -> Result<Device> {
    let device = device(session.setting(OPTION))?;
    if device != Device::Cpu {
        session.describe("device", format!("{device:?}"));
        session.memory(|| None);
    }
    Ok(device)
}
