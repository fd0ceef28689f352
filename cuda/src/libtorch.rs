//! The half of libtorch that computes on GPUs.
//!
//! One build serves CPU and GPU: no symbol of `libtorch_cuda.so` is referred to, so the linker
//! drops it, and it is loaded here. libtorch looks for CUDA once, at the first call that concerns
//! devices or seeds: [`load`] before anything else.

use std::sync::OnceLock;

/// Loads `libtorch_cuda.so` from where this process has its libtorch; once, for good.
///
/// # Errors
/// If it cannot be loaded; the message says what is missing.
pub fn load() -> Result<(), String> {
    static LOADED: OnceLock<Result<(), String>> = OnceLock::new();
    LOADED.get_or_init(imp::load).clone()
}

/// Why CUDA is loaded but finds no device.
pub fn no_device() -> String {
    // SAFETY: the driver's library has no initialiser that could be run at a wrong time.
    let driver = unsafe { libloading::Library::new("libcuda.so.1") };
    match (driver, std::env::var("CUDA_VISIBLE_DEVICES")) {
        (Err(_), _) => "no NVIDIA driver: libcuda.so.1 is not installed".to_owned(),
        (Ok(_), Ok(visible)) => {
            format!("no device found with CUDA_VISIBLE_DEVICES={visible}; unset it")
        }
        (Ok(_), Err(_)) => "the NVIDIA driver finds no device, or is older than libtorch's CUDA \
                            asks for; nvidia-smi tells both"
            .to_owned(),
    }
}

#[cfg(target_os = "linux")]
mod imp {
    use std::path::PathBuf;

    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

    const NAME: &str = "libtorch_cuda.so";

    pub fn load() -> Result<(), String> {
        let folder = folder();
        let beside = folder.as_ref().map(|folder| folder.join(NAME));
        let found = beside.as_ref().is_some_and(|path| path.exists());
        let name = beside.filter(|_| found).unwrap_or_else(|| PathBuf::from(NAME));
        // SAFETY: libtorch's initialisers are made to run at load time.
        match unsafe { Library::open(Some(&name), RTLD_NOW | RTLD_GLOBAL) } {
            Ok(library) => {
                // It registers kernels that point into it, so it stays for good.
                std::mem::forget(library);
                Ok(())
            }
            Err(error) if found => Err(format!(
                "{} cannot be loaded: {error}; the CUDA installation of libtorch is not complete",
                name.display()
            )),
            Err(_) => Err(format!(
                "this libtorch is a CPU build (no {NAME}{})",
                folder.map_or_else(String::new, |folder| format!(" in {}", folder.display()))
            )),
        }
    }

    /// Where the libtorch that this process uses lies.
    fn folder() -> Option<PathBuf> {
        let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
        let path = maps.lines().find_map(|line| {
            let path = &line[line.find('/')?..];
            path.ends_with("/libtorch_cpu.so").then(|| PathBuf::from(path))
        })?;
        path.parent().map(PathBuf::from)
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    pub fn load() -> Result<(), String> {
        Err("CUDA is supported on Linux only".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_each_time() {
        // No libtorch is linked here.
        if let Err(message) = load() {
            assert!(message.contains("CPU build") || message.contains("Linux"), "{message}");
            assert_eq!(load(), Err(message));
        }
        assert!(!no_device().is_empty());
    }
}
