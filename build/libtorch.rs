//! The one build script of every crate here: tells the linker where programs find libtorch when
//! they run, so that neither `cargo run` nor a bare binary needs an environment variable.
//!
//! It needs `DEP_TCH_LIBTORCH_LIB`, which cargo gives only to crates that depend on `torch-sys`
//! themselves.
#![allow(clippy::print_stdout)] // how a build script talks to Cargo

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// What every build script here does.
pub fn main() {
    println!("cargo::rerun-if-changed=../build/libtorch.rs");
    let lib_dir = PathBuf::from(env::var_os("DEP_TCH_LIBTORCH_LIB").expect(
        "no DEP_TCH_LIBTORCH_LIB: this crate must list torch-sys among its [dependencies]",
    ));
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));

    for entry in search_path(&lib_dir, &out_dir) {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{entry}");
    }
    link_into_target(&lib_dir, &out_dir);
}

/// The run-time search path, best first. Entries relative to the program come before the absolute
/// one: a workspace that was moved or copied must not load the libtorch of the old place.
fn search_path(lib_dir: &Path, out_dir: &Path) -> Vec<String> {
    let origin = match env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("macos") => "@loader_path",
        _ => "$ORIGIN",
    };
    let mut entries = Vec::new();
    if let Some(from_profile) = relative_to_profile(lib_dir, out_dir) {
        // target/debug/program, then target/debug/{deps,examples}/program.
        entries.push(format!("{origin}/{from_profile}"));
        entries.push(format!("{origin}/../{from_profile}"));
    }
    entries.push(lib_dir.display().to_string());
    // A program handed on together with the libtorch/ folder.
    entries.push(format!("{origin}/libtorch/torch/lib"));
    entries
}

/// The way from `target/<profile>/` to libtorch, where both lie in this workspace.
fn relative_to_profile(lib_dir: &Path, out_dir: &Path) -> Option<String> {
    let manifest_dir = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR")?);
    let workspace = manifest_dir.parent()?;
    // OUT_DIR is target/[<triple>/]<profile>/build/<package>-<hash>/out.
    let profile_dir = out_dir.ancestors().nth(3)?.strip_prefix(workspace).ok()?;
    let up = "../".repeat(profile_dir.components().count());
    Some(format!("{up}{}", lib_dir.strip_prefix(workspace).ok()?.display()))
}

/// Documentation tests get no link arguments, but cargo runs them (as everything it runs) with the
/// link search paths *inside* the target directory on the library path. So libtorch is given one,
/// through a link to two folders above `torch/lib`: its libraries look for `../../nvidia`.
#[cfg(unix)]
fn link_into_target(lib_dir: &Path, out_dir: &Path) {
    let Some(root) = lib_dir.ancestors().nth(2) else {
        return;
    };
    let Ok(inside) = lib_dir.strip_prefix(root) else {
        return;
    };
    let link = out_dir.join("libtorch");
    if fs::read_link(&link).ok().as_deref() != Some(root) {
        let _ = fs::remove_file(&link);
        if let Err(error) = std::os::unix::fs::symlink(root, &link) {
            println!(
                "cargo::warning=doc tests will not find libtorch: {}: {error}",
                link.display()
            );
        }
    }
    println!("cargo::rustc-link-search=native={}", link.join(inside).display());
}

#[cfg(not(unix))]
fn link_into_target(_lib_dir: &Path, _out_dir: &Path) {}
