//! What a file is, by its first bytes.

use std::io::{Read, Seek, SeekFrom};

use anyhow::{Result, bail, ensure};

use super::compressed::Container;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Wav,
    Compressed(Container),
}

/// Enough for every signature.
const HEAD: u64 = 12;

/// Tags are followed by sound, not by ever more tags.
const MAX_TAGS: usize = 16;

/// Tells what `source` holds and leaves it at the beginning of that, behind ID3 tags.
pub(super) fn detect(source: &mut (impl Read + Seek)) -> Result<Kind> {
    let mut start = 0;
    for _ in 0..MAX_TAGS {
        let mut head = Vec::new();
        source.seek(SeekFrom::Start(start))?;
        source.take(HEAD).read_to_end(&mut head)?;
        ensure!(start > 0 || !head.is_empty(), "the file is empty; copy it again, or leave it out");
        if let Some(tag) = id3_length(&head) {
            start += tag;
            continue;
        }
        source.seek(SeekFrom::Start(start))?;
        return match of_head(&head) {
            Some(kind) => Ok(kind),
            // Behind a tag, padding may precede the first MPEG frame.
            None if start > 0 => Ok(Kind::Compressed(Container::Mp3)),
            None => bail!(refusal(&head)),
        };
    }
    bail!("it holds more than {MAX_TAGS} ID3 tags; the file is damaged")
}

fn of_head(head: &[u8]) -> Option<Kind> {
    match head {
        [b'R', b'I', b'F', b'F', ..] | [b'R', b'F', b'6', b'4', ..] => Some(Kind::Wav),
        [b'f', b'L', b'a', b'C', ..] => Some(Kind::Compressed(Container::Flac)),
        [b'O', b'g', b'g', b'S', ..] => Some(Kind::Compressed(Container::Ogg)),
        // Sync word, layer III, neither a reserved version, bit rate nor sampling rate.
        [0xFF, b, c, ..]
            if b & 0xE6 == 0xE2 && b & 0x18 != 0x08 && c & 0xF0 != 0xF0 && c & 0x0C != 0x0C =>
        {
            Some(Kind::Compressed(Container::Mp3))
        }
        _ => None,
    }
}

/// Length of the ID3v2 tag that begins here, header and footer included.
fn id3_length(head: &[u8]) -> Option<u64> {
    let [b'I', b'D', b'3', _, _, flags, size @ ..] = head else { return None };
    // Four bytes of seven bits.
    let size = size.get(..4)?.iter().fold(0, |sum, &byte| sum << 7 | u64::from(byte & 0x7F));
    Some(10 + size + if flags & 0x10 != 0 { 10 } else { 0 })
}

/// Why `head` does not begin a supported file, and what to do.
fn refusal(head: &[u8]) -> String {
    let known = match head {
        [b'F', b'O', b'R', b'M', ..] => Some("AIFF"),
        [b'R', b'I', b'F', b'X', ..] => Some("big-endian WAV (RIFX)"),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => Some("MP4 or M4A"),
        _ => None,
    };
    if let Some(known) = known {
        return format!("it is {known}, which is not supported; convert it to WAV or FLAC");
    }
    let begins = if head.iter().all(|&byte| byte == 0) {
        "zeros, as files do that were never written to the end".to_owned()
    } else {
        format!("\"{}\"", head.escape_ascii())
    };
    format!(
        "it is not audio: WAV, FLAC, Ogg or MP3 was expected, but the file begins with {begins}; \
         copy it again, or leave it out"
    )
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn kind(bytes: &[u8]) -> Result<Kind> {
        detect(&mut Cursor::new(bytes))
    }

    #[test]
    fn tags_are_skipped_and_the_source_is_left_behind_them() {
        let mut bytes = b"ID3\x03\0\0\0\0\x01\x02".to_vec();
        bytes.resize(10 + 130, 0);
        bytes.extend(b"fLaC");
        let mut source = Cursor::new(&bytes);
        assert_eq!(detect(&mut source).unwrap(), Kind::Compressed(Container::Flac));
        assert_eq!(source.position(), 140);
    }

    #[test]
    fn layer_three_frames_are_mp3_and_other_sync_words_are_not() {
        for (head, mp3) in [
            ([0xFF, 0xFB, 0x90, 0x64], true),
            ([0xFF, 0xF3, 0x40, 0xC4], true),
            ([0xFF, 0xFD, 0x90, 0x64], false), // layer II
            ([0xFF, 0xEB, 0x90, 0x64], false), // reserved version
            ([0xFF, 0xFB, 0xF0, 0x64], false), // bad bit rate
            ([0xFF, 0xFE, 0x00, 0x00], false), // UTF-16 text
        ] {
            assert_eq!(kind(&head).is_ok(), mp3, "{head:x?}");
        }
    }

    #[test]
    fn what_is_no_audio_is_shown() {
        let message = |bytes: &[u8]| kind(bytes).unwrap_err().to_string();
        assert!(message(b"").contains("empty"));
        assert!(message(b"hello\nworld, and more").contains(r#""hello\nworld,""#));
        assert!(message(&[0; 100]).contains("zeros"));
        assert!(message(b"FORM\0\0\0\0AIFF").contains("AIFF"));
    }

    #[test]
    fn endless_tags_end() {
        let tags = b"ID3\x03\0\0\0\0\0\0".repeat(1000);
        assert!(kind(&tags).unwrap_err().to_string().contains("ID3"));
    }
}
