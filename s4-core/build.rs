//! Compiles the C++ beside the Rust of this crate and tells programs where libtorch is.

use std::env;

#[path = "../build/libtorch.rs"]
mod libtorch;
#[path = "../build/native.rs"]
mod native;

fn main() {
    libtorch::main();
    // libtorch for Linux runs its loops by OpenMP; elsewhere ours run on one thread.
    let has_openmp = env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux");
    native::compile("s4_core_native", &[], |build| {
        if has_openmp {
            build.flag("-fopenmp");
            println!("cargo::rustc-link-lib=gomp");
        }
    });
}
