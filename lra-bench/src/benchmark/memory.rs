//! The peak of memory from a moment on.

use tch::Device;
use training::memory::peak_mib;

/// Memory at one moment, in bytes.
#[derive(Debug)]
pub(super) struct Moment {
    device: Device,
    before: Option<f64>,
}

impl Moment {
    /// Now. On the CPU the process's peak starts anew where the system allows it (Linux);
    /// elsewhere it is that of the process so far, which little can have raised yet.
    pub(super) fn now(device: Device) -> Self {
        let reset = device == Device::Cpu && std::fs::write("/proc/self/clear_refs", "5").is_ok();
        let resident = reset.then(|| kibibytes("/proc/self/status", "VmRSS:")).flatten();
        Self { device, before: resident.or_else(|| peak(device)) }
    }

    /// How far memory has risen above this moment's at most.
    pub(super) fn peak_since(&self) -> Option<f64> {
        Some((peak(self.device)? - self.before?).max(0.0))
    }
}

fn peak(device: Device) -> Option<f64> {
    let own = (device == Device::Cpu).then(|| kibibytes("/proc/self/status", "VmHWM:")).flatten();
    own.or_else(|| Some(peak_mib(device)? * f64::from(1 << 20)))
}

/// Memory that the machine could still give, in bytes (Linux).
pub(super) fn available() -> Option<f64> {
    kibibytes("/proc/meminfo", "MemAvailable:")
}

/// The value of a line `key   123 kB`, in bytes.
fn kibibytes(file: &str, key: &str) -> Option<f64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let value: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(value * 1024.0)
}
