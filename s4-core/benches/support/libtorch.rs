//! What benchmarks on libtorch say of it, and the arithmetic that they are compared with: a float32
//! matrix product of 2048 x 2048 x 2048, 2 · 2048³ FLOP.

use std::time::Duration;

use anyhow::Result;
use measure::{Bound, Measured, Session, Task};
use tch::{Cuda, Device, Kind, Tensor};

/// The name of the entry that measures the peak.
pub const PEAK: &str = "peak/matmul";
const SIZE: i64 = 2048;

unsafe extern "C" {
    /// Of libtorch's stable C interface: major, minor, patch, … in the bytes from the highest.
    fn aoti_torch_abi_version() -> u64;
}

/// Says which libtorch it is, and measures what it computes at best.
pub fn describe(session: &mut Session) -> Result<()> {
    // SAFETY: takes nothing, returns a number.
    let [major, minor, patch, ..] = unsafe { aoti_torch_abi_version() }.to_be_bytes();
    session.describe("libtorch", format!("{major}.{minor}.{patch}"));
    session.describe("threads", tch::get_num_threads().to_string());
    let measured: Measured = session.ask(PEAK, Duration::from_secs(60))?;
    let fastest = measured.seconds.iter().copied().fold(f64::INFINITY, f64::min);
    let flop = 2.0 * (SIZE as f64).powi(3);
    session.peak(Bound::Arithmetic, flop / fastest, "float32 matrix product of 2048³");
    Ok(())
}

/// The process of [`PEAK`].
pub fn peak(task: &Task, device: Device) -> Result<Measured> {
    let draw = || Tensor::f_randn([SIZE, SIZE], (Kind::Float, device));
    let (a, b) = (draw()?, draw()?);
    task.time(|| {
        drop(a.f_matmul(&b)?);
        wait(device);
        Ok(())
    })
}

/// Waits until `device` has done what was asked of it.
pub fn wait(device: Device) {
    if let Device::Cuda(index) = device {
        Cuda::synchronize(index as i64);
    }
}
