//! Compiles the C++ beside the Rust of a crate, `src/native/*.cpp`, against libtorch.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the C++ is.
const FOLDER: &str = "src/native";

/// Compiles it as the library `name`, with headers of these folders too.
pub fn compile(name: &str, includes: &[&str], configure: impl FnOnce(&mut cc::Build)) {
    println!("cargo::rerun-if-changed=../build/native.rs");
    for folder in [FOLDER].iter().chain(includes) {
        println!("cargo::rerun-if-changed={folder}");
    }
    let entries = fs::read_dir(FOLDER).expect("the folder of the C++");
    let files = entries.map(|entry| entry.expect("the folder of the C++").path());
    let names = files.filter(|path| path.extension().is_some_and(|e| e == "cpp"));
    let mut parts: Vec<_> = names
        .filter_map(|path| Some(format!("#include \"{}\"\n", path.file_name()?.to_str()?)))
        .collect();
    parts.sort();
    // One unit: each would read libtorch's headers anew, which is most of its time.
    let unit = Path::new(&env::var_os("OUT_DIR").expect("set by Cargo")).join("native.cpp");
    fs::write(&unit, parts.concat()).expect("Cargo's folder for what is built");
    println!("cargo::rerun-if-env-changed=LIBTORCH_INCLUDE");
    println!("cargo::rerun-if-env-changed=LIBTORCH_CXX11_ABI");
    let lib = env::var_os("DEP_TCH_LIBTORCH_LIB").expect("checked by libtorch::main");
    let root = env::var_os("LIBTORCH_INCLUDE").map_or_else(
        || Path::new(&lib).parent().expect("libtorch has a folder").to_owned(),
        PathBuf::from,
    );
    let abi = env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".to_owned());
    let mut build = cc::Build::new();
    build
        .cpp(true)
        .file(unit)
        .include(FOLDER)
        .includes(includes)
        .include(root.join("include"))
        .include(root.join("include/torch/csrc/api/include"))
        .std("c++17")
        .define("_GLIBCXX_USE_CXX11_ABI", &*abi)
        // libtorch's headers are full of what these warn about.
        .warnings(false)
        .debug(false);
    configure(&mut build);
    build.compile(name);
}
