//! Compiles the C++ beside the Rust of this crate and tells programs where libtorch is.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "../build/libtorch.rs"]
mod libtorch;

/// Where the C++ is.
const FOLDER: &str = "src/native";

fn main() {
    libtorch::main();
    println!("cargo::rerun-if-changed={FOLDER}");
    let entries = fs::read_dir(FOLDER).expect("the folder of the C++");
    let files = entries.map(|entry| entry.expect("the folder of the C++").path());
    let names = files.filter(|path| path.extension().is_some_and(|e| e == "cpp"));
    let mut includes: Vec<_> = names
        .filter_map(|path| Some(format!("#include \"{}\"\n", path.file_name()?.to_str()?)))
        .collect();
    includes.sort();
    // One unit: each would read libtorch's headers anew, which is most of its time.
    let unit = Path::new(&env::var_os("OUT_DIR").expect("set by Cargo")).join("native.cpp");
    fs::write(&unit, includes.concat()).expect("Cargo's folder for what is built");
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
        .file(unit)
        .include(FOLDER)
        .include(root.join("include"))
        .include(root.join("include/torch/csrc/api/include"))
        .std("c++17")
        .define("_GLIBCXX_USE_CXX11_ABI", &*abi)
        // libtorch's headers are full of what these warn about.
        .warnings(false)
        .debug(false)
        .compile("s4_core_native");
}
