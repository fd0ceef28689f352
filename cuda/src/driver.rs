//! Kernels on a GPU through the driver, in the context and on the stream that libtorch uses.

use std::ffi::{c_int, c_void};
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use cudarc::driver::{result, sys};
use libloading::os::unix::Library;

use crate::cache::Slot;
use crate::kernel::Kernel;
use crate::launcher::Grid;
use crate::nvrtc;

/// One GPU.
#[derive(Debug)]
pub struct Gpu {
    index: i32,
    context: sys::CUcontext,
    /// `major * 10 + minor` of its compute capability.
    architecture: i32,
    stream_of: StreamOf,
}

// SAFETY: the driver's handles may be used from every thread.
unsafe impl Send for Gpu {}
unsafe impl Sync for Gpu {}

/// A kernel loaded into a GPU's context, for as long as the process lives.
#[derive(Debug, Clone, Copy)]
pub struct GpuFunction(sys::CUfunction);

// SAFETY: as above.
unsafe impl Send for GpuFunction {}
unsafe impl Sync for GpuFunction {}

/// `aoti_torch_get_current_cuda_stream`, of libtorch's stable C interface.
type StreamOf = unsafe extern "C" fn(c_int, *mut *mut c_void) -> c_int;

impl Gpu {
    /// The GPU of that number, in libtorch's count.
    pub fn new(index: usize) -> Result<Self> {
        // SAFETY: looks for the library, as every later call would.
        ensure!(unsafe { sys::is_culib_present() }, "no NVIDIA driver (libcuda.so)");
        open_nvrtc();
        ensure!(
            nvrtc::is_available(),
            "NVRTC is missing (libnvrtc.so of CUDA's run-time compiler)"
        );
        let stream_of = stream_of().context("libtorch's CUDA half is not loaded")?;
        result::init()?;
        let index = i32::try_from(index)?;
        let device = result::device::get(index)?;
        let attribute = |attribute| {
            // SAFETY: the device exists.
            unsafe { result::device::get_attribute(device, attribute) }
        };
        use sys::CUdevice_attribute_enum as Attribute;
        let major = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
        let minor = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
        ensure!(major >= 7, "compute capability {major}.{minor} is older than 7.0");
        // SAFETY: the context that libtorch uses, too; kept for good.
        let context = unsafe { result::primary_ctx::retain(device)? };
        Ok(Self { index, context, architecture: 10 * major + minor, stream_of })
    }

    /// Compiles the kernel, or takes it from the disk, and loads it.
    pub fn function(&self, kernel: &Kernel) -> Result<GpuFunction> {
        let slot = Slot::new(kernel, self.architecture);
        if let Some(function) = slot.read().and_then(|cubin| self.load(kernel, &cubin).ok()) {
            return Ok(function);
        }
        let cubin = nvrtc::compile(kernel, self.architecture)?.cubin;
        slot.write(&cubin);
        self.load(kernel, &cubin)
    }

    fn load(&self, kernel: &Kernel, cubin: &[u8]) -> Result<GpuFunction> {
        let name = std::ffi::CString::new(kernel.name)?;
        // SAFETY: the context is retained, the image is whole, and the module is never unloaded.
        unsafe {
            result::ctx::set_current(self.context)?;
            let module = result::module::load_data(cubin.as_ptr().cast())?;
            Ok(GpuFunction(result::module::get_function(module, name)?))
        }
    }

    /// # Safety
    /// The arguments must be the kernel's.
    pub unsafe fn launch(
        &self,
        function: GpuFunction,
        grid: Grid,
        threads: i64,
        arguments: &mut [*mut c_void],
    ) -> Result<()> {
        let grid = (u32::try_from(grid.0)?, u32::try_from(grid.1)?, u32::try_from(grid.2)?);
        let mut stream = std::ptr::null_mut();
        // SAFETY: the stream is libtorch's; arguments as the caller promises.
        unsafe {
            if (self.stream_of)(self.index, &raw mut stream) != 0 {
                bail!("libtorch has no stream for cuda:{}", self.index);
            }
            result::ctx::set_current(self.context)?;
            result::launch_kernel(
                function.0,
                grid,
                (u32::try_from(threads)?, 1, 1),
                0,
                stream.cast(),
                arguments,
            )?;
        }
        Ok(())
    }
}

fn stream_of() -> Option<StreamOf> {
    // SAFETY: the symbol has that type since libtorch 2.2.
    unsafe {
        let here = Library::this();
        here.get::<StreamOf>(b"aoti_torch_get_current_cuda_stream\0").ok().map(|symbol| *symbol)
    }
}

/// NVRTC lies where libtorch's CUDA libraries do, which the system's search does not know.
fn open_nvrtc() {
    for folder in folders_of_libraries() {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        let mut files: Vec<PathBuf> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                name.starts_with("libnvrtc.so.")
            })
            .collect();
        files.sort();
        if files.iter().any(|file| nvrtc::open(file).is_ok()) {
            return;
        }
    }
}

/// The folders of the CUDA libraries that this process has loaded.
fn folders_of_libraries() -> Vec<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut folders: Vec<PathBuf> = maps
        .lines()
        .filter_map(|line| Some(PathBuf::from(&line[line.find('/')?..])))
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            ["libcudart.so", "libnvrtc", "libcublas", "libcufft"]
                .iter()
                .any(|p| name.starts_with(p))
        })
        .filter_map(|path| path.parent().map(PathBuf::from))
        .collect();
    folders.sort();
    folders.dedup();
    folders
}
