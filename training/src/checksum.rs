//! A checksum in the metadata of a safetensors file.
//!
//! It is the SHA-256 of the whole file with zeros in its own place, so that a change of any byte
//! shows: of a tensor, of a name, of the description. Other readers pass it over.

use anyhow::{Context, Result, ensure};
use s4_core::state_dict::StateDict;
use safetensors::SafeTensors;
use sha2::{Digest, Sha256};

/// Its key in the metadata.
const KEY: &str = "sha256";
/// What stands in its place before it is known.
const BLANK: &str = concat!("00000000000000000000000000000000", "00000000000000000000000000000000");

/// The bytes of a safetensors file of `tensors` with `metadata` and a checksum.
///
/// # Errors
/// If a tensor is of a kind that is not saved.
pub fn to_safetensors(tensors: &StateDict, metadata: &[(&str, &str)]) -> Result<Vec<u8>> {
    let mut bytes = tensors.to_safetensors(&[metadata, &[(KEY, BLANK)]].concat())?;
    let place = place(&bytes, BLANK).context("the header has no place for a checksum")?;
    let checksum = checksum(&bytes, place);
    bytes[place..place + BLANK.len()].copy_from_slice(checksum.as_bytes());
    Ok(bytes)
}

/// Checks the bytes of a safetensors file. Those without a checksum pass.
///
/// # Errors
/// If the file is damaged.
pub fn verify(bytes: &[u8]) -> Result<()> {
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    if let Some(expected) = header.metadata().as_ref().and_then(|strings| strings.get(KEY)) {
        let found = place(bytes, expected).map(|place| checksum(bytes, place));
        ensure!(found.as_ref() == Some(expected), "its checksum differs: some bytes have changed");
    }
    Ok(())
}

/// Where the header has `checksum`.
fn place(bytes: &[u8], checksum: &str) -> Option<usize> {
    let before = format!("\"{KEY}\":\"");
    let entry = format!("{before}{checksum}\"");
    let header = usize::try_from(u64::from_le_bytes(*bytes.first_chunk()?)).ok()?;
    let header = bytes.get(..header.checked_add(8)?)?;
    let found = header.windows(entry.len()).position(|window| window == entry.as_bytes())?;
    Some(found + before.len()).filter(|_| checksum.len() == BLANK.len())
}

fn checksum(bytes: &[u8], place: usize) -> String {
    let digest = Sha256::new()
        .chain_update(&bytes[..place])
        .chain_update(BLANK)
        .chain_update(&bytes[place + BLANK.len()..])
        .finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use tch::Tensor;

    use super::*;

    #[test]
    fn a_change_of_any_byte_shows() {
        let tensors = StateDict::from_iter([("w".to_owned(), Tensor::from_slice(&[1.0f32, 2.0]))]);
        let bytes = to_safetensors(&tensors, &[("name", "value")]).unwrap();
        verify(&bytes).unwrap();
        let key = bytes.windows(KEY.len()).position(|window| window == KEY.as_bytes()).unwrap();
        for at in (0..key).chain(key + KEY.len()..bytes.len()) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(verify(&damaged).is_err(), "byte {at}");
        }
        // Files of other programs have none.
        verify(&tensors.to_safetensors(&[]).unwrap()).unwrap();
    }
}
