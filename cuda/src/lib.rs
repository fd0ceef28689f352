//! What is found at run time on a machine with an NVIDIA GPU. Nothing here is needed to build: the
//! driver, NVRTC and libtorch's CUDA half are opened where they are wanted.
//!
//! ```no_run
//! use cuda::{Kernel, Launcher, Where};
//!
//! cuda::libtorch::load()?; // before anything else concerns devices
//! let source = "extern \"C\" __global__ void nothing() {}";
//! let kernel = Kernel { name: "nothing", source, constants: vec![] };
//! if Launcher::at(Where::Gpu(0)).is_some_and(|launcher| launcher.has(&kernel)) {
//!     // compiled for this card; elsewhere its twin in tensor operations does the work
//! }
//! # Ok::<(), String>(())
//! ```
//! * [`libtorch`]: the half of libtorch that computes on GPUs.
//! * [`kernel`]: kernels of our own, `.cu` sources that are compiled for the card at hand.
//! * [`launcher`]: where kernels run, and how they are started.
//! * [`monitor`]: how busy a GPU is.
//! * [`waits`]: whether the host waits for the GPU.

mod cache;
mod driver;
#[cfg(feature = "host")]
pub mod host;
pub mod kernel;
pub mod launcher;
pub mod libtorch;
pub mod monitor;
pub mod nvrtc;
pub mod waits;

pub use kernel::{Argument, Kernel, Value};
pub use launcher::{Launcher, Where};
