//! Choosing where to compute.
//!
//! libtorch looks for CUDA once, at the first call that concerns devices or seeds: choose the device
//! before anything else.

use std::fmt;
use std::process::Command;
use std::str::FromStr;

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use program::output::note;
use tch::{Cuda, Device, Kind, Tensor};

/// What the user asks for with `--device`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceRequest {
    /// CUDA where it works, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// This CUDA device; failing that, an error.
    Cuda(usize),
}

impl FromStr for DeviceRequest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|index| index.parse().ok())
                .map(Self::Cuda)
                .with_context(|| format!("unknown device {text}; use auto, cpu, cuda or cuda:N")),
        }
    }
}

impl fmt::Display for DeviceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

/// A device and why it is this one.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// Where to compute.
    pub device: Device,
    /// One line for the start of a run.
    pub reason: String,
}

impl Chosen {
    /// Prints the reason, and returns the device.
    pub fn announce(&self) -> Device {
        note(format_args!("device: {}", self.reason));
        self.device
    }
}

impl DeviceRequest {
    /// Chooses the device, loading CUDA where it is wanted.
    ///
    /// # Errors
    /// If a CUDA device was asked for and cannot be used; the message says what is missing.
    pub fn choose(self) -> Result<Chosen> {
        self.choose_on((0, 1))
    }

    /// The device of process `number` of so many on this machine: that one of the CUDA devices from the
    /// one on that was asked for.
    ///
    /// # Errors
    /// As [`Self::choose`].
    pub fn choose_on(self, (number, of): (usize, usize)) -> Result<Chosen> {
        let request = match self {
            Self::Cuda(first) => Self::Cuda(first + number),
            Self::Auto if number > 0 && cuda(number).is_ok() => Self::Cuda(number),
            other => other,
        };
        if let (Self::Auto, true) = (request, of > 1)
            && cuda(0).is_ok()
        {
            let count = Cuda::device_count();
            ensure!(
                count >= of as i64,
                "{of} processes want a GPU each, and there are {count}; start fewer, or give --device cpu"
            );
        }
        request.choose_one()
    }

    fn choose_one(self) -> Result<Chosen> {
        match self {
            Self::Cpu => Ok(Chosen { device: Device::Cpu, reason: "cpu, as asked for".to_owned() }),
            Self::Cuda(index) => {
                let device = cuda(index).with_context(|| format!("--device {self}"))?;
                Ok(Chosen { device, reason: format!("{self}, as asked for") })
            }
            Self::Auto => Ok(match cuda(0) {
                Ok(device) => {
                    let count = Cuda::device_count();
                    Chosen { device, reason: format!("cuda:0, the first of {count} found") }
                }
                Err(error) => {
                    let error = program::exit::describe(&error);
                    Chosen { device: Device::Cpu, reason: format!("cpu, as CUDA is out: {error}") }
                }
            }),
        }
    }
}

/// `device` as people name it: `cpu`, or a card with its number, name and driver.
pub fn name(device: Device) -> String {
    match device {
        Device::Cuda(index) => {
            let cards = cards().unwrap_or_default();
            format!("cuda:{index} {}", cards.lines().nth(index).unwrap_or_default())
                .trim()
                .to_owned()
        }
        Device::Cpu => "cpu".to_owned(),
        other => format!("{other:?}"),
    }
}

/// The cards and their driver, a line each, as the driver's own program has them.
pub fn cards() -> Option<String> {
    let output = Command::new("nvidia-smi")
        .args(["--query-gpu=name,driver_version", "--format=csv,noheader"])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

/// Which libtorch it is, as `2.11.0`.
pub fn libtorch_version() -> String {
    unsafe extern "C" {
        /// Version of libtorch's stable C interface: major, minor, patch, … in the bytes from the highest.
        fn aoti_torch_abi_version() -> u64;
    }
    // SAFETY: takes nothing, returns a number.
    let [major, minor, patch, ..] = unsafe { aoti_torch_abi_version() }.to_be_bytes();
    format!("{major}.{minor}.{patch}")
}

/// CUDA device `index`, if it really computes; ready for threads to share.
fn cuda(index: usize) -> Result<Device> {
    cuda::libtorch::load().map_err(|message| anyhow!(message))?;
    let count = usize::try_from(Cuda::device_count()).unwrap_or(0);
    if count == 0 {
        bail!(cuda::libtorch::no_device());
    }
    if index >= count {
        bail!("there is no device {index}: {count} found, counted from 0");
    }
    let device = Device::Cuda(index);
    first_calls(device).context("the device was found but does not compute")?;
    Ok(device)
}

/// What libtorch sets up at the first call of its kind: cuBLAS, and the library of linear algebra,
/// which must not be loaded by two threads at once. It also shows whether driver and card serve.
fn first_calls(device: Device) -> Result<()> {
    let one = Tensor::f_ones([1, 1], (Kind::Float, device))?;
    let solved = Tensor::f_linalg_solve(&one, &one.f_matmul(&one)?, true)?;
    f64::try_from(&solved.f_sum(Kind::Float)?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_parse_and_print() {
        for (text, request) in [
            ("auto", DeviceRequest::Auto),
            ("cpu", DeviceRequest::Cpu),
            ("cuda:0", DeviceRequest::Cuda(0)),
            ("cuda:3", DeviceRequest::Cuda(3)),
        ] {
            assert_eq!(text.parse::<DeviceRequest>().unwrap(), request);
            assert_eq!(request.to_string(), text);
        }
        assert_eq!("cuda".parse::<DeviceRequest>().unwrap(), DeviceRequest::Cuda(0));
        for wrong in ["gpu", "cuda:", "cuda:-1", "cuda0", ""] {
            let message = wrong.parse::<DeviceRequest>().unwrap_err().to_string();
            assert!(message.contains("auto, cpu, cuda or cuda:N"), "{message}");
        }
    }

    #[test]
    fn a_cpu_can_always_be_had() {
        assert_eq!(DeviceRequest::Cpu.choose().unwrap().device, Device::Cpu);
    }

    #[test]
    fn auto_never_fails_and_says_why() {
        let chosen = DeviceRequest::Auto.choose().unwrap();
        match chosen.device {
            Device::Cpu => {
                let why = cuda(0).unwrap_err();
                let expected = format!("cpu, as CUDA is out: {}", program::exit::describe(&why));
                assert_eq!(chosen.reason, expected);
            }
            device => assert_eq!(device, Device::Cuda(0)),
        }
    }

    #[test]
    fn a_cuda_device_that_is_not_there_is_an_error_with_a_cause() {
        let error = DeviceRequest::Cuda(99).choose().unwrap_err();
        let why = cuda(99).unwrap_err();
        assert_eq!(format!("{error:#}"), format!("--device cuda:99: {why:#}"));
    }
}
