//! How much memory a run takes.

use tch::Device;

/// Peak memory in MiB: of the process (resident) on the CPU; on a CUDA device what is taken there
/// at present, by all processes, since libtorch's own peak is out of reach from here. It keeps what
/// it once took, so the two agree where a run has the device for itself.
pub fn peak_mib(device: Device) -> Option<f64> {
    const MIB: f64 = (1 << 20) as f64;
    match device {
        Device::Cuda(_) => used_on_device().map(|bytes| bytes as f64 / MIB),
        _ => peak_resident().map(|bytes| bytes as f64 / MIB),
    }
}

#[cfg(unix)]
fn peak_resident() -> Option<u64> {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: the call fills `usage` or fails.
    let usage = unsafe {
        if libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) != 0 {
            return None;
        }
        usage.assume_init()
    };
    let peak = u64::try_from(usage.ru_maxrss).ok()?;
    // macOS counts bytes, Linux KiB.
    Some(if cfg!(target_os = "macos") { peak } else { peak * 1024 })
}

#[cfg(not(unix))]
fn peak_resident() -> Option<u64> {
    None
}

/// Asks the CUDA runtime that came with `libtorch_cuda.so`, for the current device.
#[cfg(unix)]
fn used_on_device() -> Option<u64> {
    type MemGetInfo = unsafe extern "C" fn(free: *mut usize, total: *mut usize) -> libc::c_int;
    let program = libloading::os::unix::Library::this();
    let (mut free, mut total) = (0, 0);
    // SAFETY: the signature is that of the CUDA runtime API, and both pointers are valid.
    let status = unsafe {
        let ask = program.get::<MemGetInfo>(c"cudaMemGetInfo").ok()?;
        ask(&mut free, &mut total)
    };
    (status == 0).then(|| (total - free) as u64)
}

#[cfg(not(unix))]
fn used_on_device() -> Option<u64> {
    None
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
