//! Resident memory of this process, and what the machine has left.

use nix::sys::resource::{UsageWho, getrusage};

use crate::format::bytes;

/// The share of the available memory that something may be expected to take.
const SHARE: f64 = 0.85;

/// Resident memory from one moment on.
#[derive(Debug)]
pub struct PeakMemory {
    before: f64,
}

impl PeakMemory {
    /// Starts the peak anew where the system allows it (Linux); elsewhere it is that of the
    /// process so far, which the little that is done before cannot have raised much.
    pub fn reset() -> Self {
        give_back();
        let reset = std::fs::write("/proc/self/clear_refs", "5").is_ok();
        let now = if reset { kibibytes("/proc/self/status", "VmRSS:") } else { None };
        Self { before: now.unwrap_or_else(peak) }
    }

    /// The peak since, in bytes above what there was at the reset.
    pub fn bytes(&self) -> f64 {
        (peak() - self.before).max(0.0)
    }
}

/// Freed memory that the allocator keeps would be used again unseen.
fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: takes a number, and touches only what is free.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Peak resident memory of this process in bytes.
fn peak() -> f64 {
    kibibytes("/proc/self/status", "VmHWM:").unwrap_or_else(|| {
        let peak = getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.max_rss());
        let unit = if cfg!(target_os = "macos") { 1.0 } else { 1024.0 };
        peak as f64 * unit
    })
}

/// Bytes of memory that programs may still take, where the system tells.
pub fn available_memory() -> Option<f64> {
    kibibytes("/proc/meminfo", "MemAvailable:")
}

/// Why what needs this many bytes is better not begun, with these `available`: the system may end
/// other programs first.
pub fn memory_shortage(needed: f64, available: f64) -> Option<String> {
    (needed > SHARE * available)
        .then(|| format!("would need about {}, {} are available", bytes(needed), bytes(available)))
}

/// The value of a line `key   123 kB`, in bytes.
fn kibibytes(file: &str, key: &str) -> Option<f64> {
    parse_kibibytes(&std::fs::read_to_string(file).ok()?, key)
}

fn parse_kibibytes(text: &str, key: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let value: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(value * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_proc_are_read() {
        let text = "VmPeak:\t  900 kB\nVmHWM:\t  123 kB\nVmRSS:\t  100 kB\n";
        assert_eq!(parse_kibibytes(text, "VmHWM:"), Some(123.0 * 1024.0));
        assert_eq!(parse_kibibytes(text, "VmSwap:"), None);
    }

    #[test]
    fn the_peak_is_that_since_the_reset() {
        // Pieces so small that the allocator keeps them when they are freed below one that is not.
        let pieces = |mebibytes: usize| vec![vec![1u8; 4096]; mebibytes << 8];
        let mut before = pieces(300);
        before.drain(..before.len() - 1);
        let memory = PeakMemory::reset();
        let after = pieces(100);
        let mebibytes = memory.bytes() / f64::from(1 << 20);
        assert!(mebibytes > 90.0, "{mebibytes}");
        // Elsewhere the first peak cannot be forgotten.
        assert!(!cfg!(target_os = "linux") || mebibytes < 200.0, "{mebibytes}");
        drop((before, after));
    }
}
