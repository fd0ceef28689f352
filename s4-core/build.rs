//! Compiles the C++ beside the Rust of this crate and tells programs where libtorch is.

use std::env;
use std::path::{Path, PathBuf};

#[path = "../build/libtorch.rs"]
mod libtorch;

const FILES: [&str; 7] = [
    "src/autograd.cpp",
    "src/generator.cpp",
    "src/native/device_memory.cpp",
    "src/native/dispatched.cpp",
    "src/native/graph.cpp",
    "src/native/parallel.cpp",
    "src/native/tf32.cpp",
];

fn main() {
    libtorch::main();
    for file in FILES {
        println!("cargo::rerun-if-changed={file}");
    }
    println!("cargo::rerun-if-env-changed=LIBTORCH_INCLUDE");
    println!("cargo::rerun-if-env-changed=LIBTORCH_CXX11_ABI");
    let lib = env::var_os("DEP_TCH_LIBTORCH_LIB").expect("checked by libtorch::main");
    let root = env::var_os("LIBTORCH_INCLUDE").map_or_else(
        || Path::new(&lib).parent().expect("libtorch has a folder").to_owned(),
        PathBuf::from,
    );
    let abi = env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".to_owned());
    let mut build = cc::Build::new();
    // libtorch for Linux runs its loops by OpenMP; elsewhere ours run on one thread.
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        build.flag("-fopenmp");
        println!("cargo::rustc-link-lib=gomp");
    }
    build
        .cpp(true)
        .files(FILES)
        .include(root.join("include"))
        .include(root.join("include/torch/csrc/api/include"))
        .std("c++17")
        .define("_GLIBCXX_USE_CXX11_ABI", &*abi)
        // libtorch's headers are full of what these warn about.
        .warnings(false)
        .debug(false)
        .compile("s4_core_native");
}
