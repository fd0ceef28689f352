//! Tells the program where libtorch is, so that it starts without LD_LIBRARY_PATH.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let folder = env::var("DEP_TCH_LIBTORCH_LIB").expect("torch-sys is among the dependencies");
    println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
}
