//! Any bytes are a checkpoint, or weights alone, or an error; a checkpoint is written and read back
//! the same.

#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;
use training::checkpoint::{Checkpoint, load_weights};

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.safetensors");
    fs::write(&path, without_checksum(bytes)).unwrap();
    let weights = load_weights(&path);
    if let Ok(checkpoint) = Checkpoint::load(&path) {
        let names: Vec<_> = checkpoint.weights().names().collect();
        assert_eq!(weights.unwrap().names().collect::<Vec<_>>(), names);
        fs::write(&path, checkpoint.to_bytes().unwrap()).unwrap();
        assert_eq!(Checkpoint::load(&path).unwrap().meta, checkpoint.meta);
    }
});

/// No mutation would get past the checksum: it goes by another name.
fn without_checksum(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let key = b"\"sha256\"";
    if let Some(at) = bytes.windows(key.len()).position(|window| window == key) {
        bytes[at + 1] = b'_';
    }
    bytes
}
