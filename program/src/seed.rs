//! Seeds derived from one number, so that a resumed run repeats what an uninterrupted one does.

use sha2::{Digest, Sha256};

/// Names the scheme in checkpoints. A change of [`derive_bytes`] or of the epoch order must change it.
pub const SCHEME: &str = "sha256/chacha8-1";

/// 32 bytes for `purpose` at `counter`: SHA-256(seed ‖ counter ‖ purpose), numbers as eight
/// little-endian bytes. They seed any generator of the `rand` family.
pub fn derive_bytes(seed: u64, purpose: &str, counter: u64) -> [u8; 32] {
    Sha256::new()
        .chain_update(seed.to_le_bytes())
        .chain_update(counter.to_le_bytes())
        .chain_update(purpose)
        .finalize()
        .into()
}

/// A seed for `purpose` at `counter`: the first eight bytes (little endian) of [`derive_bytes`].
pub fn derive(seed: u64, purpose: &str, counter: u64) -> u64 {
    let bytes = derive_bytes(seed, purpose, counter);
    u64::from_le_bytes(bytes[..8].try_into().expect("eight of 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checkpoints rely on these numbers: the scheme must not change unnoticed.
    #[test]
    fn derivation_is_pinned() {
        // python3: int.from_bytes(hashlib.sha256(struct.pack("<QQ", 7, 3) + b"train").digest()[:8], "little")
        assert_eq!(derive(7, "train", 3), 8_300_790_816_292_084_901);
    }

    #[test]
    fn every_part_matters() {
        let base = derive(1, "a", 0);
        assert_ne!(base, derive(2, "a", 0));
        assert_ne!(base, derive(1, "b", 0));
        assert_ne!(base, derive(1, "a", 1));
    }
}
