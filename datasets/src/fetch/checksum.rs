//! Published checksums of files.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};
use md5::Md5;
use program::{exit, interrupt};
use sha2::Sha256;
use sha2::digest::Digest;

/// A checksum in lower-case hexadecimal digits.
///
/// MD5 finds accidents, not attacks; it is what some publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// 32 digits.
    Md5(&'static str),
    /// 64 digits.
    Sha256(&'static str),
}

impl Checksum {
    /// What kind of checksum it is.
    pub fn name(&self) -> &'static str {
        match self {
            Checksum::Md5(_) => "MD5",
            Checksum::Sha256(_) => "SHA-256",
        }
    }

    /// Whether `file` has this checksum; `on_bytes` is called with the bytes read so far.
    ///
    /// # Errors
    /// If it cannot be read, or the user interrupts.
    pub fn matches(&self, file: &Path, on_bytes: &mut dyn FnMut(u64)) -> Result<bool> {
        let (expected, found) = match self {
            Checksum::Md5(hex) => (hex, digest::<Md5>(file, on_bytes)?),
            Checksum::Sha256(hex) => (hex, digest::<Sha256>(file, on_bytes)?),
        };
        Ok(found == *expected)
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Checksum::Md5(hex) | Checksum::Sha256(hex)) = self;
        write!(f, "{} {hex}", self.name())
    }
}

fn digest<D: Digest>(path: &Path, on_bytes: &mut dyn FnMut(u64)) -> Result<String> {
    let unreadable = || format!("cannot read {}", path.display());
    let mut file = File::open(path).with_context(unreadable)?;
    let mut hash = D::new();
    let mut buffer = vec![0; 1 << 20];
    let mut done = 0;
    loop {
        let read = file.read(&mut buffer).with_context(unreadable)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
        if interrupt::requested() {
            return Err(exit::interrupted());
        }
        done += read as u64;
        on_bytes(done);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The checksums of "abc" in RFC 1321 and FIPS 180-2.
    #[test]
    fn checksums_are_those_of_the_standards() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        std::fs::write(&path, "abc").unwrap();
        let mut nothing = |_| {};
        let md5 = Checksum::Md5("900150983cd24fb0d6963f7d28e17f72");
        let sha =
            Checksum::Sha256("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(md5.matches(&path, &mut nothing).unwrap());
        assert!(sha.matches(&path, &mut nothing).unwrap());
        std::fs::write(&path, "abd").unwrap();
        assert!(!md5.matches(&path, &mut nothing).unwrap());
        assert!(!sha.matches(&path, &mut nothing).unwrap());
    }
}
