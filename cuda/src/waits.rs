//! Host waits: whether an operation makes the host wait for the device. Where none does, the host
//! runs ahead and the device is never idle.

/// What becomes of such an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum OnWait {
    /// It waits.
    Allow = 0,
    /// It waits, and libtorch prints a warning.
    Warn = 1,
    /// It is an error: "called a synchronizing CUDA operation".
    Fail = 2,
}

/// Sets what becomes of operations that make the host wait, in all threads: libtorch's
/// synchronisation debug mode (`c10::cuda::warning_state()`), which its C interface does not have.
///
/// # Errors
/// If CUDA is not loaded, or its libtorch has no such mode.
#[cfg(target_os = "linux")]
pub fn on_wait(what: OnWait) -> Result<(), String> {
    use std::sync::atomic::{AtomicI32, Ordering};

    use libloading::os::unix::Library;

    // The static of an inline function, one in the whole process; an `enum class` of an `int`.
    const STATE: &[u8] = b"_ZZN3c104cuda13warning_stateEvE14warning_state_\0";
    // SAFETY: the type is that of c10/cuda/CUDAMiscFunctions.h; libtorch reads it at any time.
    unsafe {
        let state = Library::this().get::<*mut i32>(STATE).map_err(
            |_| "this libtorch has no synchronisation debug mode, or CUDA is not loaded",
        )?;
        AtomicI32::from_ptr(*state).store(what as i32, Ordering::SeqCst);
    }
    Ok(())
}

/// As on Linux, where alone there is CUDA.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn on_wait(_: OnWait) -> Result<(), String> {
    Err("CUDA is supported on Linux only".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_cuda_nobody_waits() {
        // No libtorch is linked here.
        let error = on_wait(OnWait::Fail).unwrap_err();
        assert!(error.contains("CUDA"), "{error}");
    }
}
