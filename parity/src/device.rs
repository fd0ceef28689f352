//! Where parity tests compute.

use std::sync::OnceLock;

use tch::{Cuda, Device, Kind, Tensor};

/// Names the device.
const VARIABLE: &str = "S4_TEST_DEVICE";

/// The device that parity tests run on: `S4_TEST_DEVICE` (`cpu` or `cuda`), the CPU by default.
///
/// # Panics
/// If CUDA is asked for and cannot be used: the tests would pass on the wrong device.
pub fn device() -> Device {
    static CUDA: OnceLock<Result<(), String>> = OnceLock::new();
    match std::env::var(VARIABLE).as_deref() {
        Ok("cuda") => match CUDA.get_or_init(prepare) {
            Ok(()) => Device::Cuda(0),
            Err(cause) => panic!("{VARIABLE} is cuda, which cannot be used: {cause}"),
        },
        Err(_) | Ok("cpu") => Device::Cpu,
        Ok(other) => panic!("{VARIABLE} is {other}; use cpu or cuda"),
    }
}

/// Makes the first product and the first linear algebra on CUDA, which two threads must not make at
/// once.
fn prepare() -> Result<(), String> {
    cuda::libtorch::load()?;
    if !Cuda::is_available() {
        return Err(cuda::libtorch::no_device());
    }
    let first = || {
        let one = Tensor::f_ones([1, 1], (Kind::Double, Device::Cuda(0)))?;
        f64::try_from(&Tensor::f_linalg_solve(&one, &one.f_matmul(&one)?, true)?)
    };
    first().map(drop).map_err(|error| error.to_string())
}

/// libtorch looks for CUDA once, at the first call that concerns devices or seeds, and a test may
/// seed before it asks for [`device`]: so CUDA is loaded before `main`.
#[cfg(target_os = "linux")]
#[used]
#[unsafe(link_section = ".init_array")]
static LOAD_BEFORE_MAIN: extern "C" fn() = {
    extern "C" fn load() {
        if std::env::var(VARIABLE).as_deref() == Ok("cuda") {
            // What is wrong, `device` says.
            let _ = cuda::libtorch::load();
        }
    }
    load
};
