//! Any bytes, as a gzipped tar archive, are unpacked whole or not at all, and nothing lands outside.

#![no_main]

use std::fs::{self, File};
use std::io::Write;

use datasets::fetch::unpack::tar_gz;
use flate2::Compression;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let outside = tempfile::tempdir().unwrap();
    let dir = outside.path().join("data");
    fs::create_dir(&dir).unwrap();
    let file = outside.path().join("archive");
    match bytes {
        [0x1F, 0x8B, ..] => fs::write(&file, bytes).unwrap(),
        // No mutation would get past the checksums.
        _ => {
            let mut packed = GzEncoder::new(File::create(&file).unwrap(), Compression::none());
            packed.write_all(&with_checksums(bytes)).unwrap();
            packed.finish().unwrap();
        }
    }
    let unpacked = tar_gz(&file, &dir, "a", bytes.len() % 2 == 0, &mut |_| {}).is_ok();
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 2);
    assert_eq!(fs::read_dir(&dir).unwrap().count(), usize::from(unpacked));
    assert_eq!(dir.join("a").is_dir(), unpacked);
});

/// The bytes with a checksum in each block that may be a header.
fn with_checksums(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for block in bytes.chunks_exact_mut(512).filter(|block| block.iter().any(|&x| x != 0)) {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|&x| u32::from(x)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    }
    bytes
}
