//! What a user reads where libtorch refuses: one line, without its C++ trace.

use anyhow::Context;
use program::exit::describe;
use program::panics;
use tch::{Device, Kind, Tensor};

#[test]
fn errors_of_libtorch_are_one_line() {
    let a = Tensor::zeros([2, 3], (Kind::Float, Device::Cpu));
    let error = a.f_matmul(&a).context("decoder").unwrap_err();
    assert!(format!("{error:#}").contains("frame #0"), "libtorch has stopped sending traces");
    let text = describe(&error);
    assert!(text.starts_with("decoder: libtorch: mat1 and mat2"), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn panics_of_tch_are_one_line() {
    let a = Tensor::zeros([2, 3], (Kind::Float, Device::Cpu));
    let error = panics::as_errors("the model", || Ok(a.matmul(&a))).unwrap_err().to_string();
    assert!(error.starts_with("the model panicked: "), "{error}");
    assert!(error.contains("mat1 and mat2") && error.lines().count() == 1, "{error}");
    assert!(!error.contains("frame #"), "{error}");
}
