//! Stops a build without the right libtorch, saying what to do.
//!
//! Cargo does not always come here before `torch-sys`; for that case there is
//! `build/libtorch-missing`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The one that tch 0.24 is made for.
const NEEDED: &str = "2.11.0";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if let Err(message) = check() {
        // Cargo prints these lines and stops. An exit code of ours would add a screen of noise.
        for line in message.lines() {
            println!("cargo::error={line}");
        }
    }
}

fn check() -> Result<(), String> {
    let bypass = variable("LIBTORCH_BYPASS_VERSION_CHECK").is_some();
    if variable("LIBTORCH_USE_PYTORCH").is_some() {
        return Ok(()); // torch-sys asks Python, and checks the version itself.
    }
    // .cargo/config.toml sets LIBTORCH where the user does not.
    let home = variable("LIBTORCH").map_or_else(|| PathBuf::from("libtorch/torch"), PathBuf::from);
    let include = variable("LIBTORCH_INCLUDE").map_or_else(|| home.clone(), PathBuf::from);
    let lib = variable("LIBTORCH_LIB").map_or_else(|| home.clone(), PathBuf::from);

    let header = include.join("include/torch/headeronly/version.h");
    println!("cargo::rerun-if-changed={}", header.display());
    let found = version(&header).filter(|_| lib.join("lib").is_dir());
    match found {
        None => Err(missing(&home)),
        Some(found) if found != NEEDED && !bypass => Err(mismatch(&home, &found)),
        Some(_) => Ok(()),
    }
}

fn variable(name: &str) -> Option<String> {
    println!("cargo::rerun-if-env-changed={name}");
    env::var(name).ok()
}

/// Reads `#define TORCH_VERSION "2.11.0"`, which every way of packing libtorch includes.
fn version(header: &Path) -> Option<String> {
    let text = fs::read_to_string(header).ok()?;
    let (_, rest) = text.split_once("#define TORCH_VERSION ")?;
    rest.split('"').nth(1).map(str::to_owned)
}

fn missing(home: &Path) -> String {
    format!(
        "libtorch {NEEDED} is not in {}\n\
         run `make libtorch` once (`make libtorch CUDA=1` for NVIDIA GPUs)\n\
         or use yours: LIBTORCH=/absolute/path, or LIBTORCH_USE_PYTORCH=1 with PyTorch {NEEDED}",
        home.display()
    )
}

fn mismatch(home: &Path, found: &str) -> String {
    format!(
        "libtorch {NEEDED} is needed, but the one in {} is {found}\n\
         unset LIBTORCH and run `make libtorch`, or set LIBTORCH to a libtorch {NEEDED}",
        home.display()
    )
}
