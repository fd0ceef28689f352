//! The peak of memory from a moment on.

use measure::PeakMemory;
use tch::Device;
use training::memory::peak_mib;

/// Where memory is taken while a device computes.
#[derive(Debug)]
pub(super) enum Peak {
    /// In this process.
    Process(PeakMemory),
    /// On the CUDA device, where this many bytes had been taken before.
    Device { device: Device, before: Option<f64> },
}

impl Peak {
    /// From now on.
    pub(super) fn start(device: Device) -> Self {
        match device {
            Device::Cuda(_) => Self::Device { device, before: taken(device) },
            _ => Self::Process(PeakMemory::reset()),
        }
    }

    /// Bytes above what was taken at the start; absent where the system does not tell.
    pub(super) fn bytes(&self) -> Option<f64> {
        match self {
            Self::Process(memory) => Some(memory.bytes()),
            Self::Device { device, before } => Some((taken(*device)? - (*before)?).max(0.0)),
        }
    }
}

fn taken(device: Device) -> Option<f64> {
    Some(peak_mib(device)? * f64::from(1 << 20))
}
