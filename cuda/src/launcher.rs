//! Where kernels run, and how they are started.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use anyhow::Result;

use crate::driver::{Gpu, GpuFunction};
#[cfg(feature = "host")]
use crate::host::{self, HostFunction};
use crate::kernel::{Argument, Kernel};

/// A place where tensors are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// The memory of the CPU.
    Host,
    /// The GPU of this number.
    Gpu(usize),
}

/// Compiles kernels for one place, once each, and starts them there.
#[derive(Debug)]
pub struct Launcher {
    place: Place,
    functions: Mutex<HashMap<Kernel, Option<Function>>>,
}

#[derive(Debug)]
enum Place {
    Gpu(Gpu),
    #[cfg(feature = "host")]
    Host,
}

#[derive(Debug, Clone, Copy)]
enum Function {
    Gpu(GpuFunction),
    #[cfg(feature = "host")]
    Host(HostFunction),
}

/// Blocks of a launch in x, y and z.
pub type Grid = (i64, i64, i64);

impl Launcher {
    /// The launcher of a place, `None` where no kernels can be had: on a CPU (but in tests), without
    /// NVRTC, on a machine whose driver cannot be used. What is missing on a GPU is said once.
    pub fn at(place: Where) -> Option<&'static Self> {
        const MOST: usize = 64;
        static GPUS: [OnceLock<Option<Launcher>>; MOST] = [const { OnceLock::new() }; MOST];
        match place {
            #[cfg(feature = "host")]
            Where::Host => host::is_on().then(|| {
                static HOST: OnceLock<Launcher> = OnceLock::new();
                HOST.get_or_init(|| Launcher::new(Place::Host))
            }),
            #[cfg(not(feature = "host"))]
            Where::Host => None,
            Where::Gpu(index) => GPUS.get(index)?.get_or_init(|| gpu(index)).as_ref(),
        }
    }

    fn new(place: Place) -> Self {
        Self { place, functions: Mutex::default() }
    }

    /// Whether the kernel can be started here; compiles it. A kernel that cannot be is said once, and
    /// never tried again.
    pub fn has(&self, kernel: &Kernel) -> bool {
        self.function(kernel).is_some()
    }

    fn function(&self, kernel: &Kernel) -> Option<Function> {
        let mut functions = self.lock();
        if let Some(function) = functions.get(kernel) {
            return *function;
        }
        let function = match self.compile(kernel) {
            Ok(function) => Some(function),
            Err(error) => {
                warn(&format!("{kernel} does not compile here: {error:#}"));
                None
            }
        };
        functions.insert(kernel.clone(), function);
        function
    }

    fn compile(&self, kernel: &Kernel) -> Result<Function> {
        match &self.place {
            Place::Gpu(gpu) => Ok(Function::Gpu(gpu.function(kernel)?)),
            #[cfg(feature = "host")]
            Place::Host => Ok(Function::Host(host::function(kernel)?)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Kernel, Option<Function>>> {
        self.functions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the kernel with blocks of `threads` threads, a multiple of 32, behind what libtorch has
    /// already started; does not wait for it.
    ///
    /// # Safety
    /// The arguments must be those of the function: in number, in type, and with every address valid
    /// for what the kernel reads and writes there.
    ///
    /// # Errors
    /// If the kernel does not compile, or the driver refuses the launch.
    pub unsafe fn launch(
        &self,
        kernel: &Kernel,
        grid: Grid,
        threads: i64,
        arguments: &[Argument],
    ) -> Result<()> {
        debug_assert!(threads % 32 == 0, "a kernel runs in whole warps");
        let Some(function) = self.function(kernel) else {
            anyhow::bail!("{kernel} does not compile here")
        };
        if grid.0 == 0 || grid.1 == 0 || grid.2 == 0 {
            return Ok(());
        }
        let mut addresses: Vec<_> = arguments.iter().map(Argument::address).collect();
        match (&self.place, function) {
            // SAFETY: as the caller promises.
            (Place::Gpu(gpu), Function::Gpu(function)) => unsafe {
                gpu.launch(function, grid, threads, &mut addresses)
            },
            #[cfg(feature = "host")]
            (_, Function::Host(function)) => {
                // SAFETY: as the caller promises.
                unsafe { function.run(grid, threads, &mut addresses) };
                Ok(())
            }
            #[cfg(feature = "host")]
            (Place::Host, Function::Gpu(_)) => unreachable!("a function of another place"),
        }
    }
}

fn gpu(index: usize) -> Option<Launcher> {
    match Gpu::new(index) {
        Ok(gpu) => Some(Launcher::new(Place::Gpu(gpu))),
        Err(error) => {
            warn(&format!("no kernels of our own on cuda:{index}: {error:#}"));
            None
        }
    }
}

/// One line on standard error, each text once. That it cannot be written is no reason to stop.
fn warn(text: &str) {
    static SAID: Mutex<Option<HashSet<String>>> = Mutex::new(None);
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if said.get_or_insert_default().insert(text.to_owned()) {
        let _ = writeln!(std::io::stderr(), "{text}; slower tensor operations take its place");
    }
}
