//! What the targets of the reader share.

use audio_data::read::Reader;

/// Reads `bytes` to the end.
///
/// # Panics
/// If a promise of the reader is broken.
pub fn read(bytes: Vec<u8>) {
    let Ok(mut reader) = Reader::from_bytes(bytes) else { return };
    let promised = reader.format().frames;
    let wav = reader.format().encoding.contains("bit");
    let mut frames = 0;
    loop {
        match reader.next_block() {
            Ok(Some(block)) => {
                assert!(!block.is_empty() && block.iter().all(|x| x.abs() <= 1.0));
                frames += block.len() as u64;
            }
            Ok(None) => break,
            Err(_) => return,
        }
    }
    assert!(frames > 0);
    assert!(!wav || promised == Some(frames), "{frames} frames instead of {promised:?}");
}

/// Makes the checksums of an Ogg file, or of a FLAC file with one frame, what they should be:
/// otherwise no mutation gets past them.
pub fn repair(bytes: &mut [u8]) {
    if bytes.starts_with(b"OggS") {
        repair_ogg(bytes);
    } else if bytes.starts_with(b"fLaC") {
        repair_flac(bytes);
    }
}

fn repair_ogg(bytes: &mut [u8]) {
    let mut rest = bytes;
    while rest.starts_with(b"OggS") && rest.len() > 27 {
        let segments = usize::from(rest[26]);
        let Some(table) = rest.get(27..27 + segments) else { return };
        let length = 27 + segments + table.iter().map(|&n| usize::from(n)).sum::<usize>();
        if length > rest.len() {
            return;
        }
        let (page, next) = rest.split_at_mut(length);
        page[22..26].fill(0);
        let sum = checksum(page, 32, 0x04C1_1DB7);
        page[22..26].copy_from_slice(&sum.to_le_bytes());
        rest = next;
    }
}

fn repair_flac(bytes: &mut [u8]) {
    let mut at = 4;
    loop {
        let Some(&[head, a, b, c]) = bytes.get(at..at + 4) else { return };
        at += 4 + (usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c));
        if head & 0x80 != 0 {
            break;
        }
    }
    let end = bytes.len().saturating_sub(2);
    let Some(frame) = bytes.get(at..end) else { return };
    let sum = checksum(frame, 16, 0x8005) as u16;
    bytes[end..].copy_from_slice(&sum.to_be_bytes());
}

/// A checksum of `width` bits, highest bit first, that starts at 0.
fn checksum(bytes: &[u8], width: u32, polynomial: u32) -> u32 {
    let polynomial = polynomial << (32 - width);
    let sum = bytes.iter().fold(0_u32, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte) << 24, |sum, _| {
            sum << 1 ^ if sum >> 31 == 1 { polynomial } else { 0 }
        })
    });
    sum >> (32 - width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_right_stays_and_what_is_wrong_is_repaired() {
        for (good, at) in [
            (include_bytes!("../../tests/data/vorbis-mono-16kHz.ogg").as_slice(), 24),
            (include_bytes!("../../tests/data/flac-16bit-mono-16kHz.flac"), 1866),
        ] {
            let mut bytes = good.to_vec();
            repair(&mut bytes);
            assert_eq!(bytes, good);
            bytes[at] ^= 1;
            repair(&mut bytes);
            assert_eq!(bytes, good);
        }
    }
}
