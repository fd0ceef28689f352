//! Compiles the C++ files of this crate and tells programs where libtorch is.

use std::env;
use std::path::{Path, PathBuf};

#[path = "../build/libtorch.rs"]
mod libtorch;

fn main() {
    libtorch::main();
    println!("cargo::rerun-if-changed=src/autograd.cpp");
    println!("cargo::rerun-if-changed=src/generator.cpp");
    println!("cargo::rerun-if-env-changed=LIBTORCH_INCLUDE");
    println!("cargo::rerun-if-env-changed=LIBTORCH_CXX11_ABI");
    let lib = env::var_os("DEP_TCH_LIBTORCH_LIB").expect("checked by libtorch::main");
    let root = env::var_os("LIBTORCH_INCLUDE").map_or_else(
        || Path::new(&lib).parent().expect("libtorch has a folder").to_owned(),
        PathBuf::from,
    );
    let abi = env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".to_owned());
    cc::Build::new()
        .cpp(true)
        .file("src/autograd.cpp")
        .file("src/generator.cpp")
        .include(root.join("include"))
        .include(root.join("include/torch/csrc/api/include"))
        .std("c++17")
        .define("_GLIBCXX_USE_CXX11_ABI", &*abi)
        // libtorch's headers are full of what these warn about.
        .warnings(false)
        .debug(false)
        .compile("s4_autograd");
}
