//! Compiled kernels on disk, by source and architecture: a second run compiles nothing.

use std::fs;
use std::path::PathBuf;

use program::files;
use sha2::{Digest, Sha256};

use crate::kernel::Kernel;

/// Bytes of the SHA-256 that a file begins with.
const CHECKSUM: usize = 32;

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
        Self(files::user_cache("kernels").map(|folder| folder.join(name)))
    }

    /// What is kept, if anything is that is whole: drivers trust an image to be.
    pub fn read(&self) -> Option<Vec<u8>> {
        let mut bytes = fs::read(self.0.as_ref()?).ok()?;
        let cubin = bytes.split_off(CHECKSUM.min(bytes.len()));
        (Sha256::digest(&cubin)[..] == bytes).then_some(cubin)
    }

    /// Keeps it for next time, whole or not at all. A cache that cannot be written is none.
    pub fn write(&self, cubin: &[u8]) {
        let Some(path) = &self.0 else { return };
        let Some(folder) = path.parent() else { return };
        let bytes = [&Sha256::digest(cubin), cubin].concat();
        let _ = files::create_folder(folder).and_then(|()| files::write(path, &bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_whole_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("below/a.cubin");
        let slot = Slot(Some(path.clone()));
        assert_eq!(slot.read(), None);
        slot.write(b"machine code");
        assert_eq!(slot.read().unwrap(), b"machine code");
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(slot.read(), None, "the first {length} bytes");
        }
        slot.write(b"machine code");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
