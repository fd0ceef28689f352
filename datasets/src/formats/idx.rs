//! IDX files, the format of MNIST: two zero bytes, the element type, the number of dimensions,
//! the sizes as big-endian 32-bit integers, then the elements. Gzipped or not.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use flate2::read::MultiGzDecoder;

/// An array of unsigned bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdxBytes {
    /// Sizes, slowest first.
    pub dims: Vec<usize>,
    /// Elements, last dimension fastest.
    pub bytes: Vec<u8>,
}

const UNSIGNED_BYTE: u8 = 0x08;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// More than any file of this kind holds; guards against a damaged header.
const MAX_BYTES: usize = 1 << 32;

/// Whether the bytes of a file begin like those of an IDX file, gzipped or not.
pub fn is_idx(raw: &[u8]) -> bool {
    raw.starts_with(&[0, 0, UNSIGNED_BYTE]) || raw.starts_with(&GZIP_MAGIC)
}

/// Whether a file of this name holds images, as MNIST's files are named.
pub fn is_image_name(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.strip_suffix(".gz").unwrap_or(&name).ends_with("idx3-ubyte")
}

/// Reads an IDX file of unsigned bytes.
///
/// # Errors
/// If the file cannot be read, is damaged, truncated or longer than its header says, or holds
/// another element type.
pub fn read(path: &Path) -> Result<IdxBytes> {
    read_inner(path)
        .with_context(|| format!("{} is not usable; delete it and fetch it again", path.display()))
}

fn read_inner(path: &Path) -> Result<IdxBytes> {
    let mut raw = Vec::new();
    File::open(path).context("cannot open it")?.read_to_end(&mut raw).context("cannot read it")?;
    decode(&raw)
}

/// The array in the bytes of a file.
///
/// # Errors
/// As [`read`].
pub fn decode(raw: &[u8]) -> Result<IdxBytes> {
    if !raw.starts_with(&GZIP_MAGIC) {
        return parse(raw);
    }
    let mut data = Vec::new();
    MultiGzDecoder::new(raw)
        .take(MAX_BYTES as u64)
        .read_to_end(&mut data)
        .context("its gzip stream is damaged or truncated")?;
    parse(&data)
}

fn parse(data: &[u8]) -> Result<IdxBytes> {
    let [0, 0, kind, rank, rest @ ..] = data else {
        bail!("it does not begin like an IDX file (two zero bytes, a type, a dimension count)");
    };
    ensure!(*kind == UNSIGNED_BYTE, "its elements are of type {kind:#04x}, expected bytes (0x08)");
    let rank = *rank as usize;
    ensure!(
        (1..=4).contains(&rank) && rest.len() >= 4 * rank,
        "its header claims {rank} dimensions"
    );
    let (sizes, bytes) = rest.split_at(4 * rank);
    let dims: Vec<usize> = sizes
        .chunks_exact(4)
        .map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize)
        .collect();
    let expected =
        dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|&n| n < MAX_BYTES);
    ensure!(
        expected == Some(bytes.len()),
        "its header says {dims:?}, but {} bytes follow: it is truncated or damaged",
        bytes.len()
    );
    Ok(IdxBytes { dims, bytes: bytes.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(kind: u8, dims: &[u32], bytes: &[u8]) -> Vec<u8> {
        let mut file = vec![0, 0, kind, dims.len() as u8];
        for d in dims {
            file.extend(d.to_be_bytes());
        }
        file.extend(bytes);
        file
    }

    #[test]
    fn reads_what_the_header_says() {
        let idx = parse(&file(8, &[2, 3], &[1, 2, 3, 4, 5, 6])).unwrap();
        assert_eq!(idx, IdxBytes { dims: vec![2, 3], bytes: vec![1, 2, 3, 4, 5, 6] });
    }

    #[test]
    fn damage_is_an_error() {
        let good = file(8, &[2, 3], &[1, 2, 3, 4, 5, 6]);
        for damaged in [
            &good[..good.len() - 1],
            &good[..7],
            &good[..3],
            b"",
            b"hello, world",
            &file(0x0d, &[2], &[0; 8]),
            &file(8, &[u32::MAX, u32::MAX, u32::MAX], &[]),
            &file(8, &[2], &[1, 2, 3]),
        ] {
            assert!(parse(damaged).is_err(), "{damaged:?}");
        }
    }
}
