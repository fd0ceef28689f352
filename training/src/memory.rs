//! How much memory a run takes.

use nix::sys::resource::{UsageWho, getrusage};
use s4_core::device_memory;
use tch::Device;

pub(crate) const MIB: f64 = (1 << 20) as f64;

/// Peak memory in MiB: of the process (resident) on the CPU, of its tensors on a CUDA device.
pub fn peak_mib(device: Device) -> Option<f64> {
    match device {
        Device::Cuda(_) => device_memory::peak(device).ok().map(|bytes| bytes as f64 / MIB),
        _ => host_peak_mib(),
    }
}

/// Peak memory of the process (resident) in MiB, wherever the model is.
pub fn host_peak_mib() -> Option<f64> {
    peak_resident().map(|bytes| bytes as f64 / MIB)
}

fn peak_resident() -> Option<u64> {
    let peak = u64::try_from(getrusage(UsageWho::RUSAGE_SELF).ok()?.max_rss()).ok()?;
    // macOS counts bytes, Linux KiB.
    Some(if cfg!(target_os = "macos") { peak } else { peak * 1024 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_has_a_peak() {
        let before = peak_mib(Device::Cpu).unwrap();
        assert!(before > 1.0 && before < 1e6, "{before} MiB");
        let big = vec![1u8; 300 << 20];
        assert!(big.iter().step_by(4096).all(|&byte| byte == 1));
        let after = peak_mib(Device::Cpu).unwrap();
        assert!(after >= 300.0, "{after} MiB after touching 300");
    }
}
