//! What a file is, by its first bytes.

use std::io::{Read, Seek, SeekFrom};

use anyhow::{Result, bail, ensure};

use super::compressed::Container;
use super::{CUT, READ, Remark, mpeg_frame};

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

/// How far into a file that was cut out of an MP3 the first whole frame is looked for.
const SEARCHED: u64 = 1 << 13;

/// Tells what `source` holds, and why not all of it is read; leaves it at the beginning of that,
/// behind ID3 tags.
pub(super) fn detect(source: &mut (impl Read + Seek)) -> Result<(Kind, Option<Remark>)> {
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
            Some(kind) => Ok((kind, None)),
            // Behind a tag, padding may precede the first MPEG frame.
            None if start > 0 => Ok((Kind::Compressed(Container::Mp3), None)),
            None => {
                if let Some(known) = refused_name(&head) {
                    bail!("it is {known}, which is not supported; convert it to WAV or FLAC");
                }
                let mut beginning = Vec::new();
                (&mut *source).take(SEARCHED).read_to_end(&mut beginning)?;
                let Some(frame) = mpeg_frame::first(&beginning) else { bail!(no_audio(&head)) };
                source.seek(SeekFrom::Start(frame as u64))?;
                Ok((Kind::Compressed(Container::Mp3), Some(CUT)))
            }
        };
    }
    bail!("it holds more than {MAX_TAGS} ID3 tags; the file is damaged")
}

fn of_head(head: &[u8]) -> Option<Kind> {
    match head {
        [b'R', b'I', b'F', b'F', ..] | [b'R' | b'B', b'F' | b'W', b'6', b'4', ..] => {
            Some(Kind::Wav)
        }
        [b'F', b'O', b'R', b'M', _, _, _, _, b'A', b'I', b'F', b'F' | b'C'] => {
            Some(Kind::Compressed(Container::Aiff))
        }
        [b'c', b'a', b'f', b'f', ..] => Some(Kind::Compressed(Container::Caf)),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => Some(Kind::Compressed(Container::Mp4)),
        [b'f', b'L', b'a', b'C', ..] => Some(Kind::Compressed(Container::Flac)),
        [b'O', b'g', b'g', b'S', ..] => Some(Kind::Compressed(Container::Ogg)),
        // Sync word, layer III, neither a reserved version, bit rate nor sampling rate.
        [0xFF, b, c, ..]
            if b & 0xE6 == 0xE2 && b & 0x18 != 0x08 && c & 0xF0 != 0xF0 && c & 0x0C != 0x0C =>
        {
            Some(Kind::Compressed(Container::Mp3))
        }
        // Sync word and layer 0, neither a reserved rate.
        [0xFF, b, c, ..] if b & 0xF6 == 0xF0 && c >> 2 & 0xF < 13 => {
            Some(Kind::Compressed(Container::Adts))
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

/// What begins with `head`, if it is audio of a kind that is not read.
fn refused_name(head: &[u8]) -> Option<&'static str> {
    let known: [(&[u8], _); 13] = [
        (b"RIFX", "big-endian WAV (RIFX)"),
        // The beginning of its GUID.
        (b"riff\x2E\x91\xCF\x11", "Wave64"),
        (b".snd", "Sun audio (AU)"),
        (b"#!AMR", "AMR"),
        (b"MAC ", "Monkey's Audio"),
        (b"wvpk", "WavPack"),
        (b"DSD ", "DSD"),
        (b"FRM8", "DSD"),
        (b"MThd", "MIDI, notes rather than sound"),
        (b"\x30\x26\xB2\x75", "Windows Media (ASF)"),
        (b"\x1A\x45\xDF\xA3", "Matroska or WebM"),
        (b".RMF", "RealAudio"),
        (b"\x0B\x77", "AC-3"),
    ];
    known.iter().find_map(|(magic, name)| head.starts_with(magic).then_some(*name))
}

/// Why a file that begins with `head` is not read, and what to do.
fn no_audio(head: &[u8]) -> String {
    let begins = if head.iter().all(|&byte| byte == 0) {
        "zeros, as files do that were never written to the end".to_owned()
    } else {
        format!("\"{}\"", head.escape_ascii())
    };
    format!(
        "it is not audio of a kind that is read ({READ}): the file begins with {begins}; copy it \
         again, or leave it out"
    )
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn kind(bytes: &[u8]) -> Result<Kind> {
        detect(&mut Cursor::new(bytes)).map(|(kind, _)| kind)
    }

    #[test]
    fn tags_are_skipped_and_the_source_is_left_behind_them() {
        let mut bytes = b"ID3\x03\0\0\0\0\x01\x02".to_vec();
        bytes.resize(10 + 130, 0);
        bytes.extend(b"fLaC");
        let mut source = Cursor::new(&bytes);
        assert_eq!(detect(&mut source).unwrap(), (Kind::Compressed(Container::Flac), None));
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
        for (head, name) in [
            (&b"RIFX\0\0\0\0WAVE"[..], "RIFX"),
            (b"riff\x2E\x91\xCF\x11\xA5\xD6\x28\xDB", "Wave64"),
            (b".snd\0\0\0\x18", "AU"),
            (b"\x1A\x45\xDF\xA3\x01\0\0\0", "WebM"),
        ] {
            assert!(message(head).contains(name), "{name}");
        }
    }

    #[test]
    fn endless_tags_end() {
        let tags = b"ID3\x03\0\0\0\0\0\0".repeat(1000);
        assert!(kind(&tags).unwrap_err().to_string().contains("ID3"));
    }
}
