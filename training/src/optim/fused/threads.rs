//! Small tensors on one CPU thread.
//!
//! libtorch's fused CPU kernels start a team of threads for every tensor, however small. On an idle
//! machine that doubles the time of a step over small tensors; where other programs compete for the
//! cores it takes fifty times as long, since at the end of every tensor all threads wait for the
//! slowest.
//!
//! `tch::set_num_threads` would rebuild thread pools each time. OpenMP's own setting is a variable
//! of the calling thread.

use std::ffi::c_int;
use std::sync::OnceLock;

/// Elements above which ATen itself goes parallel (`at::internal::GRAIN_SIZE`).
pub const WORTH_A_TEAM: usize = 32_768;

/// While it lives, OpenMP loops that this thread starts run on this thread alone.
pub struct OneThread {
    openmp: Option<&'static OpenMp>,
    before: c_int,
}

struct OpenMp {
    get: unsafe extern "C" fn() -> c_int,
    set: unsafe extern "C" fn(c_int),
}

impl OneThread {
    /// Starts the restriction; without effect where libtorch does not use OpenMP.
    pub fn new() -> Self {
        let Some(openmp) = OpenMp::of_process() else {
            return Self { openmp: None, before: 1 };
        };
        // SAFETY: both functions may be called at any time outside of a parallel region.
        let before = unsafe {
            let before = (openmp.get)();
            (openmp.set)(1);
            before
        };
        Self { openmp: Some(openmp), before }
    }
}

impl Drop for OneThread {
    fn drop(&mut self) {
        if let Some(openmp) = self.openmp {
            // SAFETY: as above.
            unsafe { (openmp.set)(self.before.max(1)) };
        }
    }
}

impl OpenMp {
    fn of_process() -> Option<&'static Self> {
        static OPENMP: OnceLock<Option<OpenMp>> = OnceLock::new();
        OPENMP.get_or_init(Self::look_up).as_ref()
    }

    #[cfg(unix)]
    fn look_up() -> Option<Self> {
        let process = libloading::os::unix::Library::this();
        // SAFETY: the types are those of the OpenMP standard; libtorch keeps its OpenMP library
        // loaded for as long as the program runs.
        unsafe {
            Some(Self {
                get: *process.get("omp_get_max_threads").ok()?,
                set: *process.get("omp_set_num_threads").ok()?,
            })
        }
    }

    #[cfg(not(unix))]
    fn look_up() -> Option<Self> {
        None
    }
}
