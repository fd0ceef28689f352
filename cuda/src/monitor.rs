//! How busy a GPU is, as the driver's management library (NVML) has it.

use cudarc::driver::{result, sys};
use nvml_wrapper::Nvml;

/// A GPU that is watched.
#[derive(Debug)]
pub struct Monitor {
    nvml: Nvml,
    uuid: String,
}

/// A GPU at one moment, whoever uses it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// The share of the last second or so in which a kernel ran, in percent; `None` where a card
    /// does not say so (a part of one, by MIG).
    pub busy_percent: Option<u32>,
    /// Bytes of its memory that are taken, by all processes together.
    pub memory: u64,
}

impl Monitor {
    /// Watches the GPU of that number, in libtorch's count; `None` where there is no such GPU or no
    /// NVML.
    pub fn new(index: usize) -> Option<Self> {
        // SAFETY: looks for the library, as every later call would.
        if !unsafe { sys::is_culib_present() } {
            return None;
        }
        result::init().ok()?;
        let device = result::device::get(i32::try_from(index).ok()?).ok()?;
        // NVML counts all GPUs, CUDA those that are visible: they agree on this name alone.
        let uuid = uuid_text(result::device::get_uuid(device).ok()?.bytes.map(|byte| byte as u8));
        let nvml = Nvml::init().ok()?;
        nvml.device_by_uuid(&*uuid).ok()?;
        Some(Self { nvml, uuid })
    }

    /// What is going on; `None` where the driver does not say so.
    pub fn usage(&self) -> Option<Usage> {
        let device = self.nvml.device_by_uuid(&*self.uuid).ok()?;
        let busy_percent = device.utilization_rates().ok().map(|rates| rates.gpu);
        Some(Usage { busy_percent, memory: device.memory_info().ok()?.used })
    }
}

/// The UUID as NVML writes it.
fn uuid_text(bytes: [u8; 16]) -> String {
    let hex = bytes.map(|byte| format!("{byte:02x}")).concat();
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    format!("GPU-{}", parts.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_written_as_by_nvml() {
        let bytes = std::array::from_fn(|i| i as u8 * 16 + 1);
        assert_eq!(uuid_text(bytes), "GPU-01112131-4151-6171-8191-a1b1c1d1e1f1");
    }
}
