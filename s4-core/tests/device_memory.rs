//! Peaks of a device's memory. Alone in its process, whose memory they are of.

use s4_core::device_memory::{peak, reset_peak};
use tch::{Device, Kind, Tensor};

#[test]
fn the_cpu_is_refused() {
    let error = peak(Device::Cpu).unwrap_err().to_string();
    assert!(error.contains("the process's"), "{error}");
    assert!(reset_peak(Device::Cpu).is_err());
}

#[test]
fn the_peak_is_seen_and_forgotten() {
    let device = parity::device();
    if device == Device::Cpu {
        return;
    }
    let before = peak(device).unwrap();
    drop(Tensor::ones([1 << 24], (Kind::Float, device)));
    assert!(peak(device).unwrap() >= before.max(1 << 26));
    reset_peak(device).unwrap();
    assert!(peak(device).unwrap() < 1 << 26);
}
