//! Every kernel compiles for the GPUs that the project is for, and keeps to its registers.

use std::collections::HashSet;
use std::path::Path;

/// `S4_NVRTC` names NVRTC's library (`libnvrtc.so.13`); without it nothing is checked, which must not
/// happen where `make test` fetches it and `CI` is set.
#[test]
fn kernels_compile_without_spills() {
    let Some(library) = std::env::var_os("S4_NVRTC") else {
        let fetched = cfg!(all(target_os = "linux", target_arch = "x86_64"));
        assert!(!fetched || std::env::var_os("CI").is_none(), "S4_NVRTC is not set");
        return;
    };
    cuda::nvrtc::open(Path::new(&library)).unwrap();
    let mut seen = HashSet::new();
    for kernel in s4_core::gpu::kernels() {
        // One compilation is of all functions of a source.
        if !seen.insert((kernel.source, kernel.constants.clone())) {
            continue;
        }
        for architecture in [80, 90] {
            let log = cuda::nvrtc::compile(&kernel, architecture)
                .unwrap_or_else(|error| panic!("{kernel} for sm_{architecture}: {error:#}"))
                .log;
            // Of every function of the source: "0 bytes spill stores, 0 bytes spill loads".
            let spills: Vec<&str> = log
                .lines()
                .filter(|line| line.contains("spill stores"))
                .filter(|line| !line.contains(" 0 bytes spill stores"))
                .collect();
            assert!(spills.is_empty(), "{kernel} for sm_{architecture} spills: {spills:?}\n{log}");
            assert!(log.contains("spill stores"), "a log without registers:\n{log}");
        }
    }
}
