//! Reading: every form of WAV that recorders write, the compressed formats, and what is broken.

use std::f64::consts::TAU;
use std::fs::{self, File};
use std::io::{Cursor, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use audio_data::read::{Format, Reader, is_audio_name};
use hound::{SampleFormat, WavSpec, WavWriter};
use proptest::prelude::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// Reads everything, or says why not.
fn read_all(reader: anyhow::Result<Reader>) -> Result<(Format, Vec<f32>), String> {
    let mut samples = Vec::new();
    let read = || -> anyhow::Result<Format> {
        let mut reader = reader?;
        while let Some(block) = reader.next_block()? {
            assert!(!block.is_empty() && block.len() <= 1 << 16, "a block of {}", block.len());
            assert!(block.iter().all(|x| x.abs() <= 1.0));
            samples.extend_from_slice(block);
        }
        Ok(reader.format().clone())
    };
    match read() {
        Ok(format) => Ok((format, samples)),
        Err(error) => Err(format!("{error:#}")),
    }
}

fn read_bytes(bytes: &[u8]) -> Result<(Format, Vec<f32>), String> {
    read_all(Reader::from_bytes(bytes.to_vec()))
}

fn samples(bytes: &[u8]) -> Vec<f32> {
    read_bytes(bytes).unwrap().1
}

fn error(bytes: &[u8]) -> String {
    match read_bytes(bytes) {
        Ok((format, samples)) => panic!("read {} samples of {format:?}", samples.len()),
        Err(message) => message,
    }
}

/// A WAV file as hound writes it; `sample(i)` are interleaved integers.
fn hound_wav(channels: u16, bits: u16, length: usize, sample: impl Fn(usize) -> i32) -> Vec<u8> {
    let spec = WavSpec {
        channels,
        sample_rate: 16_000,
        bits_per_sample: bits,
        sample_format: SampleFormat::Int,
    };
    let mut bytes = Vec::new();
    let mut writer = WavWriter::new(Cursor::new(&mut bytes), spec).unwrap();
    (0..length).for_each(|i| writer.write_sample(sample(i)).unwrap());
    writer.finalize().unwrap();
    bytes
}

/// The parts of a WAV file, to put together rightly or wrongly.
#[derive(Clone)]
struct Parts {
    tag: u16,
    channels: u16,
    rate: u32,
    frame_bytes: u16,
    bits: u16,
    /// What follows the first 16 bytes of `fmt `.
    tail: Vec<u8>,
    before: Vec<u8>,
    data: Vec<u8>,
    data_size: Option<u32>,
    after: Vec<u8>,
}

impl Parts {
    /// 16 bits, mono, 16 kHz.
    fn new(data: &[i16]) -> Self {
        Self {
            tag: 1,
            channels: 1,
            rate: 16_000,
            frame_bytes: 2,
            bits: 16,
            tail: Vec::new(),
            before: Vec::new(),
            data: data.iter().flat_map(|x| x.to_le_bytes()).collect(),
            data_size: None,
            after: Vec::new(),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut fmt = Vec::new();
        fmt.extend(self.tag.to_le_bytes());
        fmt.extend(self.channels.to_le_bytes());
        fmt.extend(self.rate.to_le_bytes());
        fmt.extend((self.rate.wrapping_mul(u32::from(self.frame_bytes))).to_le_bytes());
        fmt.extend(self.frame_bytes.to_le_bytes());
        fmt.extend(self.bits.to_le_bytes());
        fmt.extend(&self.tail);
        let mut bytes = b"RIFF\0\0\0\0WAVE".to_vec();
        bytes.extend(&self.before);
        bytes.extend(chunk(b"fmt ", &fmt));
        bytes.extend(b"data");
        bytes.extend(self.data_size.unwrap_or(self.data.len() as u32).to_le_bytes());
        bytes.extend(&self.data);
        bytes.extend(&self.after);
        let size = bytes.len() as u32 - 8;
        bytes[4..8].copy_from_slice(&size.to_le_bytes());
        bytes
    }
}

fn chunk(id: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [id.as_slice(), &(content.len() as u32).to_le_bytes(), content].concat()
}

/// What follows the first 16 bytes of an extensible `fmt `.
fn extensible(tag: u16, valid_bits: u16) -> Vec<u8> {
    let mut tail = 22_u16.to_le_bytes().to_vec();
    tail.extend(valid_bits.to_le_bytes());
    tail.extend(4_u32.to_le_bytes());
    tail.extend(tag.to_le_bytes());
    tail.extend([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71]);
    tail
}

const THREE: [i16; 3] = [100, -200, 300];
const THREE_READ: [f32; 3] = [100.0 / 32768.0, -200.0 / 32768.0, 300.0 / 32768.0];

#[test]
fn integers_of_every_width_reach_full_scale_and_no_further() {
    for (bits, name) in
        [(8, "8-bit PCM"), (16, "16-bit PCM"), (24, "24-bit PCM"), (32, "32-bit PCM")]
    {
        let top = (1_i64 << (bits - 1)) - 1;
        let values = [0, top, -top - 1, top / 2 + 1, -1].map(|x| x as i32);
        let (format, read) = read_bytes(&hound_wav(1, bits, 5, |i| values[i])).unwrap();
        let expected = values.map(|x| (f64::from(x) / (top + 1) as f64) as f32);
        assert_eq!(read, expected, "{bits} bits");
        assert_eq!(format.encoding, name);
        assert_eq!((format.rate, format.channels, format.frames), (16_000, 1, Some(5)));
    }
}

#[test]
fn floats_are_read_as_they_are_and_divided_by_a_peak_beyond_full_scale() {
    let within = [0.0, 0.123_456_79, -1.0, 1.0, 0.5, -0.7];
    for scale in [1.0_f32, 1.25, 32768.0, 1e38] {
        let values = within.map(|x| x * scale);
        let mut parts = Parts { tag: 3, frame_bytes: 4, bits: 32, ..Parts::new(&[]) };
        parts.data = values.iter().flat_map(|x: &f32| x.to_le_bytes()).collect();
        let single = (parts.bytes(), "32-bit float");
        let mut parts = Parts { tag: 3, frame_bytes: 8, bits: 64, ..parts };
        parts.data = values.iter().flat_map(|&x| f64::from(x).to_le_bytes()).collect();
        for (bytes, encoding) in [single, (parts.bytes(), "64-bit float")] {
            let (format, read) = read_bytes(&bytes).unwrap();
            for (read, expected) in read.iter().zip(within) {
                assert!((read - expected).abs() < 1e-6, "{scale}: {read} {expected}");
            }
            assert!(scale != 1.0 || read == within);
            assert_eq!(format.encoding, encoding);
            let loud = remarks(bytes).iter().any(|remark| remark.contains("beyond full scale"));
            assert_eq!(loud, scale > 1.0);
        }
    }
}

/// What is said about a file that can be read.
fn remarks(bytes: Vec<u8>) -> Vec<&'static str> {
    let mut reader = Reader::from_bytes(bytes).unwrap();
    reader.next_block().unwrap();
    reader.remarks().to_vec()
}

#[test]
fn channels_are_averaged() {
    for channels in [2, 3, 6, 255] {
        let count = usize::from(channels);
        let bytes = hound_wav(channels, 16, 3 * count, |i| (100 * (i % count)) as i32);
        let (format, read) = read_bytes(&bytes).unwrap();
        let mean = 100.0 * (f32::from(channels) - 1.0) / 2.0 / 32768.0;
        assert_eq!(read.len(), 3);
        assert!(read.iter().all(|x| (x - mean).abs() < 1e-6), "{channels} channels: {read:?}");
        assert_eq!(format.channels, channels);
    }
}

#[test]
fn extensible_headers_and_padded_samples_are_read() {
    let mut parts = Parts { tag: 0xFFFE, tail: extensible(1, 16), ..Parts::new(&THREE) };
    assert_eq!(samples(&parts.bytes()), THREE_READ);
    // 12 bits that count, in the upper bits of two bytes.
    parts.tail = extensible(1, 12);
    assert_eq!(samples(&parts.bytes()), THREE_READ);
    parts = Parts { bits: 12, ..Parts::new(&THREE) };
    assert_eq!(samples(&parts.bytes()), THREE_READ);
    // 24 bits that count, in the upper bits of four bytes.
    parts = Parts { tag: 0xFFFE, tail: extensible(1, 24), frame_bytes: 4, bits: 32, ..parts };
    parts.data = THREE.iter().flat_map(|&x| (i32::from(x) << 16).to_le_bytes()).collect();
    assert_eq!(samples(&parts.bytes()), THREE_READ);
    // 24 bits in the lower bits of four bytes, as `arecord -f S24_LE` writes them.
    parts = Parts { tag: 1, tail: Vec::new(), bits: 24, ..parts };
    parts.data = THREE.iter().flat_map(|&x| (i32::from(x) << 8).to_le_bytes()).collect();
    assert_eq!(samples(&parts.bytes()), THREE_READ);
    // `fmt ` with the size of what it could have held.
    parts = Parts { tail: vec![0; 24], ..Parts::new(&THREE) };
    assert_eq!(samples(&parts.bytes()), THREE_READ);
}

#[test]
fn other_chunks_are_skipped() {
    let plain = Parts::new(&THREE);
    let mut parts = plain.clone();
    parts.before = chunk(b"LIST", b"INFOsomething");
    parts.before.push(0);
    parts.after = chunk(b"id3 ", b"tag");
    assert_eq!(samples(&parts.bytes()), THREE_READ);
    // An odd chunk that its writer forgot to pad, or padded with what was there.
    parts.before = chunk(b"LIST", b"INFOsomething");
    assert_eq!(samples(&parts.bytes()), THREE_READ);
    for pad in [b'x', b' ', 0xFF] {
        parts.before = chunk(b"LIST", b"INFOsomething");
        parts.before.push(pad);
        assert_eq!(samples(&parts.bytes()), THREE_READ);
    }
}

#[test]
fn a_wrong_riff_size_does_no_harm() {
    for size in [0, 1, 0x7FFF_FFFF, u32::MAX] {
        let mut bytes = Parts::new(&THREE).bytes();
        bytes[4..8].copy_from_slice(&size.to_le_bytes());
        assert_eq!(samples(&bytes), THREE_READ);
    }
}

#[test]
fn sizes_that_a_recorder_left_open_mean_all_of_the_file() {
    for size in [0, u32::MAX, u32::MAX - 36, 0x7FFF_FFFF - 36] {
        let mut parts = Parts { data_size: Some(size), ..Parts::new(&THREE) };
        let (format, read) = read_bytes(&parts.bytes()).unwrap();
        assert_eq!(read, THREE_READ, "{size:#x}");
        assert_eq!(format.frames, Some(3));
        // It was killed in the middle of a sample.
        parts.data.push(9);
        assert_eq!(samples(&parts.bytes()), THREE_READ, "{size:#x}");
    }
}

#[test]
fn sizes_that_are_wrong_are_believed_only_as_far_as_the_file_goes() {
    let sound: Vec<i16> = (0..1000).collect();
    let read: Vec<_> = sound.iter().map(|&x| f32::from(x) / 32768.0).collect();
    for size in [2_000_000_000, 0xFFFF_1000, 0x7FFF_FFFF, u32::MAX - 8, 2016, 2044, 2100] {
        let parts = Parts { data_size: Some(size), ..Parts::new(&sound) };
        assert_eq!(samples(&parts.bytes()), read, "{size}");
        let said = remarks(parts.bytes()).iter().any(|remark| remark.contains("promise more"));
        assert_eq!(said, size != 0x7FFF_FFFF && size != u32::MAX - 8, "{size}");
    }
    for size in [2400, 1_000_000] {
        let message = error(&Parts { data_size: Some(size), ..Parts::new(&sound) }.bytes());
        assert!(message.contains("truncated"), "{size}: {message}");
    }
}

#[test]
fn a_data_chunk_that_is_really_empty_is_told_from_one_left_open() {
    let mut parts = Parts { after: chunk(b"LIST", b"INFO"), ..Parts::new(&[]) };
    assert!(error(&parts.bytes()).contains("no samples"));
    parts.after.clear();
    assert!(error(&parts.bytes()).contains("no samples"));
}

#[test]
fn rf64_gives_sizes_beyond_32_bits() {
    let mut parts = Parts { data_size: Some(u32::MAX), ..Parts::new(&THREE) };
    let sizes = [0_u64, 6, 3].map(u64::to_le_bytes).concat();
    parts.before = chunk(b"ds64", &sizes);
    // Not samples: the size above says so.
    parts.after = chunk(b"LIST", b"INFO");
    let mut bytes = parts.bytes();
    for name in [b"RF64", b"BW64"] {
        bytes[..4].copy_from_slice(name);
        assert_eq!(samples(&bytes), THREE_READ);
    }
}

#[test]
fn a_truncated_file_says_how_much_is_missing() {
    let bytes = hound_wav(1, 16, 16_000, |i| i as i32 % 100);
    let message = error(&bytes[..bytes.len() / 2]);
    assert!(
        message.contains("truncated: the header promises 16000 samples (1.000 s)"),
        "{message}"
    );
    assert!(message.contains("the file holds 7989"), "{message}");
    for end in [1, 4, 11, 12, 20, 30, 43] {
        let message = error(&bytes[..end]);
        assert!(message.contains("copy it again"), "{end} bytes: {message}");
    }
    assert!(error(&bytes[..44]).contains("truncated"));
}

#[test]
fn samples_that_are_no_numbers_are_located() {
    let mut values = vec![0.5_f32; 100_000];
    values[70_001] = f32::NAN;
    let mut parts = Parts { tag: 3, channels: 2, frame_bytes: 8, bits: 32, ..Parts::new(&[]) };
    parts.data = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    let message = error(&parts.bytes());
    assert!(message.contains("sample 35000 (at 2.188 s) is not a number"), "{message}");
    values[70_001] = f32::NEG_INFINITY;
    parts.data = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    assert!(error(&parts.bytes()).contains("sample 35000 (at 2.188 s) is infinite"));
}

#[test]
fn headers_that_contradict_themselves_are_refused() {
    let good = Parts::new(&THREE);
    assert!(read_bytes(&good.bytes()).is_ok());
    for (parts, message) in [
        (Parts { channels: 0, ..good.clone() }, "no channels"),
        (Parts { frame_bytes: 0, ..good.clone() }, "1 channels into 0 bytes"),
        (Parts { channels: 3, frame_bytes: 4, ..good.clone() }, "3 channels into 4 bytes"),
        (Parts { channels: 65535, ..good.clone() }, "65535 channels into 2 bytes"),
        (Parts { bits: 0, ..good.clone() }, "0 bits in 2 bytes"),
        (Parts { bits: 24, ..good.clone() }, "24 bits in 2 bytes"),
        (Parts { bits: 8, ..good.clone() }, "8 bits in 2 bytes"),
        (Parts { bits: 65535, ..good.clone() }, "65535 bits in 2 bytes"),
        (Parts { tag: 3, ..good.clone() }, "16 bits in 2 bytes"),
        (Parts { rate: 0, ..good.clone() }, "0 Hz"),
        (Parts { rate: 999, ..good.clone() }, "999 Hz"),
        (Parts { rate: u32::MAX, ..good.clone() }, "4294967295 Hz"),
        (Parts { tag: 0xFFFE, ..good.clone() }, "extensible"),
        (Parts { tag: 0xFFFE, tail: vec![1; 24], ..good.clone() }, "only its maker knows"),
        (Parts { tag: 0x0161, ..good.clone() }, "unknown (format tag 0x0161)"),
    ] {
        let found = error(&parts.bytes());
        assert!(found.contains(message), "{message}: {found}");
    }
}

#[test]
fn encodings_that_are_not_supported_are_named() {
    let name = "opus-mono-16kHz.opus";
    let message = read_all(Reader::open(&fixture(name))).unwrap_err();
    assert!(message.contains("Opus") && message.contains("convert it"), "{message}");
    assert!(message.contains(name), "{message}");
    for (tag, encoding) in [(0x31, "GSM 6.10"), (0x50, "MPEG audio"), (0x55, "MP3 inside WAV")] {
        let message = error(&Parts { tag, bits: 0, ..Parts::new(&THREE) }.bytes());
        assert!(message.contains(encoding) && message.contains("convert it"), "{message}");
    }
}

#[test]
fn a_file_without_end_of_chunks_ends() {
    let mut bytes = b"RIFF\0\0\0\0WAVE".to_vec();
    bytes.resize(1 << 20, 0);
    assert!(error(&bytes).contains("no samples among its first"));
}

/// How much of `samples` is a tone at 440 Hz, against all else, in dB.
fn tone_to_noise(samples: &[f32], rate: u32) -> f64 {
    let (mut sine, mut cosine, mut power) = (0.0, 0.0, 0.0);
    let step = TAU * 440.0 / f64::from(rate);
    for (i, &x) in samples.iter().enumerate() {
        let (s, c) = (step * i as f64).sin_cos();
        sine += f64::from(x) * s;
        cosine += f64::from(x) * c;
        power += f64::from(x).powi(2);
    }
    let tone = 2.0 * (sine * sine + cosine * cosine) / samples.len() as f64;
    // Rounding alone leaves this much.
    10.0 * (tone / (power - tone).max(1e-12 * power)).log10()
}

#[test]
fn compressed_formats_give_back_the_tone_that_went_in() {
    for (name, encoding, rate, channels, quality) in [
        ("flac-16bit-mono-16kHz.flac", "FLAC", 16_000, 1, 80.0),
        ("flac-24bit-stereo-44kHz.flac", "FLAC", 44_100, 2, 80.0),
        ("vorbis-mono-16kHz.ogg", "Ogg Vorbis", 16_000, 1, 25.0),
        ("mp3-mono-16kHz.mp3", "MP3", 16_000, 1, 25.0),
        ("mp3-id3-no-info-frame-stereo-44kHz.mp3", "MP3", 44_100, 2, 25.0),
        ("aac-mono-16kHz.m4a", "AAC", 16_000, 1, 15.0),
        ("aac-mono-16kHz.aac", "AAC", 16_000, 1, 15.0),
        ("alac-mono-16kHz.m4a", "ALAC", 16_000, 1, 80.0),
        ("aiff-16bit-mono-8kHz.aiff", "16-bit PCM", 8_000, 1, 80.0),
        ("caf-float-mono-8kHz.caf", "32-bit float", 8_000, 1, 80.0),
        ("mu-law-mono-8kHz.wav", "mu-law", 8_000, 1, 25.0),
        ("a-law-mono-8kHz.wav", "A-law", 8_000, 1, 25.0),
        ("ms-adpcm-mono-8kHz.wav", "Microsoft ADPCM", 8_000, 1, 25.0),
        ("ima-adpcm-mono-8kHz.wav", "IMA ADPCM", 8_000, 1, 20.0),
    ] {
        let (format, read) = read_all(Reader::open(&fixture(name))).unwrap();
        assert_eq!((format.rate, format.channels), (rate, channels), "{name}");
        assert_eq!(format.encoding, encoding);
        // Without an info frame, the padding of an MP3 cannot be told from its sound, nor that of
        // AAC, and IMA ADPCM ends with whole blocks.
        let exact = !["no-info-frame", "aac", "ima"].iter().any(|part| name.contains(part));
        assert!(!exact || read.len() == rate as usize / 5, "{name}: {} samples", read.len());
        // Away from the ends, where lossy formats fade in and out.
        let middle = &read[read.len() / 4..read.len() * 3 / 4];
        let ratio = tone_to_noise(middle, rate);
        assert!(ratio > quality, "{name}: {ratio:.1} dB");
        let peak = middle.iter().fold(0.0_f32, |a, b| a.max(b.abs()));
        // So short a tone begins with AAC's echoes.
        let slack = if name.contains("aac") { 0.06 } else { 0.03 };
        assert!((peak - 0.5).abs() < slack, "{name}: peak {peak}");
    }
}

#[test]
fn lossless_means_bit_by_bit() {
    let mut bytes = fs::read(fixture("flac-16bit-mono-16kHz.flac")).unwrap();
    assert!(samples(&bytes).iter().all(|x| (x * 32768.0).fract() == 0.0));
    // The checksum of the samples ends the first metadata block, which begins at byte 8.
    bytes[8 + 33] ^= 1;
    assert!(error(&bytes).contains("checksum"));
}

#[test]
fn damage_in_compressed_files_is_noticed() {
    for name in ["flac-16bit-mono-16kHz.flac", "vorbis-mono-16kHz.ogg", "mp3-mono-16kHz.mp3"] {
        let bytes = fs::read(fixture(name)).unwrap();
        let message = error(&bytes[..bytes.len() * 2 / 3]);
        assert!(message.contains("truncated"), "{name}: {message}");
    }
    let mut flac = fs::read(fixture("flac-16bit-mono-16kHz.flac")).unwrap();
    let middle = flac.len() / 2 + 500;
    flac[middle] ^= 1;
    error(&flac);
}

#[test]
fn an_mp3_that_was_cut_in_its_frames_is_read() {
    let bytes = fs::read(fixture("mp3-id3-no-info-frame-stereo-44kHz.mp3")).unwrap();
    let whole = samples(&bytes).len();
    for (start, end) in [(700, 0), (1000, 100), (0, 150)] {
        let cut = bytes[start..bytes.len() - end].to_vec();
        let said = remarks(cut.clone()).iter().any(|remark| remark.contains("MP3 frame"));
        assert_eq!(said, start > 0);
        let read = samples(&cut);
        assert!(read.len() < whole && read.len() > whole / 2, "{} of {whole}", read.len());
        let ratio = tone_to_noise(&read[read.len() / 2..read.len() * 3 / 4], 44_100);
        assert!(ratio > 20.0, "{start}: {ratio}");
    }
}

/// Nothing is asked of what is read, but that it ends in samples or an error.
#[test]
fn what_fuzzing_found_does_no_harm() {
    let folder = fixture("../fuzz-findings");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let findings: Vec<_> = files.filter(|path| path.extension() != Some("md".as_ref())).collect();
    assert!(!findings.is_empty());
    for path in findings {
        let _ = read_all(Reader::open(&path));
    }
}

#[test]
fn the_content_decides_and_not_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("really.wav");
    fs::copy(fixture("flac-16bit-mono-16kHz.flac"), &path).unwrap();
    assert_eq!(Reader::open(&path).unwrap().format().encoding, "FLAC");
}

#[test]
fn what_is_no_readable_file_is_named_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.wav");
    let message = || Reader::open(&path).map(|_| ()).map_err(|e| format!("{e:#}")).unwrap_err();
    assert!(message().contains("x.wav: there is no such file"), "{}", message());
    fs::create_dir(&path).unwrap();
    assert!(message().contains("x.wav: it is a folder"), "{}", message());
    fs::remove_dir(&path).unwrap();
    fs::write(&path, "").unwrap();
    assert!(message().contains("x.wav: the file is empty"), "{}", message());
    fs::write(&path, "just text, whatever its name").unwrap();
    assert!(message().contains(r#"x.wav: it is not audio"#), "{}", message());
    assert!(message().contains(r#""just text, w""#), "{}", message());
}

#[cfg(unix)]
#[test]
fn pipes_and_forbidden_files_are_refused_at_once() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.wav");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let message = read_all(Reader::open(&pipe)).unwrap_err();
    assert!(message.contains("pipe or device"), "{message}");

    let path = folder.path().join("secret.wav");
    fs::write(&path, Parts::new(&THREE).bytes()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    match read_all(Reader::open(&path)) {
        Err(message) => assert!(message.contains("you may not read it"), "{message}"),
        // Only root reads what nobody may read.
        Ok(_) => assert!(File::open(&path).is_ok()),
    }
}

#[test]
fn two_gigabytes_are_read_block_by_block() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.wav");
    let mut file = File::create(&path).unwrap();
    file.set_len(2 << 30).unwrap();
    let message = read_all(Reader::open(&path)).unwrap_err();
    assert!(message.contains("begins with zeros"), "{message}");

    let data_size = (2 << 30) - 44;
    let header = Parts { data_size: Some(data_size), ..Parts::new(&[]) }.bytes();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.write_all(&header).unwrap();
    let mut reader = Reader::open(&path).unwrap();
    assert_eq!(reader.format().frames, Some(u64::from(data_size) / 2));
    for _ in 0..100 {
        let block = reader.next_block().unwrap().unwrap();
        assert!(block.len() <= 1 << 15 && block.iter().all(|&x| x == 0.0));
    }
}

#[test]
fn audio_is_known_by_its_name_in_any_case() {
    for name in ["a.wav", "a.WAV", "a.Wave", "a.flac", "a.ogg", "a.oga", "b/c.d.mp3", "a.M4A"] {
        assert!(is_audio_name(Path::new(name)), "{name}");
    }
    for name in ["a.txt", "wav", ".wav", "a.wav.txt", "a.wav~", "a"] {
        assert!(!is_audio_name(Path::new(name)), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Damage gives an error or fewer samples, never a panic, a hang or memory without bounds.
    #[test]
    fn damaged_files_do_no_harm(
        file in 0_usize..5,
        damage in prop::collection::vec((0_usize..1 << 16, any::<u8>()), 1..6),
        end in 0_usize..1 << 16,
    ) {
        let mut bytes = match file {
            0 => hound_wav(2, 16, 400, |i| i as i32),
            1 => hound_wav(1, 24, 400, |i| i as i32),
            2 => fs::read(fixture("flac-16bit-mono-16kHz.flac")).unwrap(),
            3 => fs::read(fixture("vorbis-mono-16kHz.ogg")).unwrap(),
            _ => fs::read(fixture("mp3-mono-16kHz.mp3")).unwrap(),
        };
        for (at, value) in damage {
            // Headers matter most.
            let at = if at % 2 == 0 { at % 64 } else { at % bytes.len() };
            bytes[at] = value;
        }
        bytes.truncate(end.max(1));
        let _ = read_bytes(&bytes);
    }
}
