//! Compiled kernels on disk, by source and architecture: a second run compiles nothing.

use std::fs;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::kernel::Kernel;

/// Where the machine code of a kernel is kept: `${XDG_CACHE_HOME:-~/.cache}/s4/kernels`.
#[derive(Debug)]
pub struct Slot(Option<PathBuf>);

impl Slot {
    /// Of the program that a kernel is in, compiled for `sm_{architecture}`: kernels of one source
    /// share it.
    pub fn new(kernel: &Kernel, architecture: i32) -> Self {
        let mut hash = Sha256::new();
        hash.update(kernel.text());
        hash.update(architecture.to_le_bytes());
        let digest: String = hash.finalize().iter().take(16).map(|b| format!("{b:02x}")).collect();
        let name = format!("{digest}-sm_{architecture}.cubin");
        Self(folder().map(|folder| folder.join(name)))
    }

    /// What is kept, if anything is.
    pub fn read(&self) -> Option<Vec<u8>> {
        fs::read(self.0.as_ref()?).ok()
    }

    /// Keeps it for next time, whole or not at all. A cache that cannot be written is none.
    pub fn write(&self, cubin: &[u8]) {
        let Some(path) = &self.0 else { return };
        let Some(folder) = path.parent() else { return };
        let aside = path.with_extension(format!("{}", std::process::id()));
        let written = fs::create_dir_all(folder)
            .and_then(|()| fs::write(&aside, cubin))
            .and_then(|()| fs::rename(&aside, path));
        if written.is_err() {
            let _ = fs::remove_file(&aside);
        }
    }
}

fn folder() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(cache.join("s4").join("kernels"))
}
