//! The header of a WAV file, believed only as far as the file bears it out.
//!
//! hound's own reader takes sizes at their word and stops at what recorders really write: sizes that
//! were never filled in, padded or unpadded odd chunks, a `fmt ` chunk with a tail. So the chunks are
//! walked here, and hound decodes the samples.

use std::io::{Read, Seek, SeekFrom};

use anyhow::{Context, Result, bail, ensure};
use symphonia::core::codecs::audio::AudioCodecId;
use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_ADPCM_IMA_WAV, CODEC_ID_ADPCM_MS, CODEC_ID_PCM_ALAW, CODEC_ID_PCM_MULAW,
};

use super::compressed::codec_name;
use super::{OVERSIZED, Remark};

/// More chunks than any recorder writes. A file of zeros behind a header is millions of them.
const MAX_CHUNKS: usize = 1000;

/// How one sample is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// `bits` that count, in this number of `bytes`.
    Int {
        bytes: u16,
        bits: u16,
    },
    Float32,
    Float64,
    /// What symphonia decodes.
    Coded(AudioCodecId),
}

impl Encoding {
    pub(super) fn name(self) -> String {
        match self {
            Self::Int { bits, .. } => format!("{bits}-bit PCM"),
            Self::Float32 => "32-bit float".to_owned(),
            Self::Float64 => "64-bit float".to_owned(),
            Self::Coded(codec) => codec_name(codec).unwrap_or("unknown").to_owned(),
        }
    }
}

/// What is needed to read the samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WavHeader {
    pub(super) rate: u32,
    pub(super) channels: u16,
    pub(super) encoding: Encoding,
    /// Bytes of one sample in all channels, or of the block that holds `block_frames` of them.
    pub(super) block_bytes: u16,
    /// Frames in a block: 1, unless they are coded together.
    pub(super) block_frames: u16,
    /// Where the samples begin.
    pub(super) start: u64,
    /// Frames that the file really holds.
    pub(super) frames: u64,
    /// What its maker got wrong.
    pub(super) remark: Option<Remark>,
}

impl WavHeader {
    /// Reads the header at the present position of `source`.
    pub(super) fn read(source: &mut (impl Read + Seek)) -> Result<Self> {
        let begin = source.stream_position()?;
        let mut file = Chunks { length: source.seek(SeekFrom::End(0))?, source };
        let riff: [u8; 12] = file.bytes(begin)?;
        if &riff[8..] != b"WAVE" {
            bail!("it is a RIFF file of type \"{}\", not WAVE", riff[8..].escape_ascii());
        }
        let mut at = begin + 12;
        let mut fmt = None;
        let (mut long_data, mut fact) = (None, None);
        for _ in 0..MAX_CHUNKS {
            let chunk = file.chunk(at)?;
            match &chunk.id {
                b"fmt " => fmt = Some(read_fmt(&mut file, &chunk)?),
                // RF64 keeps sizes beyond 4 GiB here: of the file, then of the data.
                b"ds64" => long_data = Some(u64::from_le_bytes(file.bytes(chunk.body + 8)?)),
                // How many frames of the last block count.
                b"fact" if chunk.size >= 4 => {
                    fact = Some(u32::from_le_bytes(file.bytes(chunk.body)?).into());
                }
                b"data" => {
                    let fmt = fmt.context("its samples come before their format; it is damaged")?;
                    let (bytes, remark) = data_length(&mut file, &chunk, long_data, fmt)?;
                    // A last block that was not written to its end is left out.
                    let blocks = bytes / u64::from(fmt.block_bytes);
                    let frames = blocks * u64::from(fmt.block_frames);
                    let last = frames.saturating_sub(fmt.block_frames.into());
                    return Ok(Self {
                        rate: fmt.rate,
                        channels: fmt.channels,
                        encoding: fmt.encoding,
                        block_bytes: fmt.block_bytes,
                        block_frames: fmt.block_frames,
                        start: chunk.body,
                        frames: fact.filter(|fact| (last..frames).contains(fact)).unwrap_or(frames),
                        remark,
                    });
                }
                _ => {}
            }
            at = file.after(&chunk)?;
        }
        bail!("no samples among its first {MAX_CHUNKS} chunks; it is damaged")
    }
}

/// The content of a `fmt ` chunk.
#[derive(Debug, Clone, Copy)]
struct Fmt {
    rate: u32,
    channels: u16,
    encoding: Encoding,
    block_bytes: u16,
    block_frames: u16,
}

struct Chunk {
    id: [u8; 4],
    body: u64,
    /// As declared; the file may be shorter.
    size: u32,
}

struct Chunks<'a, S> {
    source: &'a mut S,
    length: u64,
}

impl<S: Read + Seek> Chunks<'_, S> {
    fn bytes<const N: usize>(&mut self, at: u64) -> Result<[u8; N]> {
        ensure!(
            at.saturating_add(N as u64) <= self.length,
            "it ends inside its header, after {} bytes; copy it again",
            self.length
        );
        let mut bytes = [0; N];
        self.source.seek(SeekFrom::Start(at))?;
        self.source.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn chunk(&mut self, at: u64) -> Result<Chunk> {
        let [a, b, c, d, size @ ..]: [u8; 8] = self.bytes(at)?;
        Ok(Chunk { id: [a, b, c, d], body: at + 8, size: u32::from_le_bytes(size) })
    }

    /// Where the next chunk begins. Odd chunks are padded with a zero; not by everyone, and by
    /// some with something else.
    fn after(&mut self, chunk: &Chunk) -> Result<u64> {
        let end = chunk.body + u64::from(chunk.size);
        let padded = chunk.size % 2 == 1
            && end < self.length
            && (self.bytes(end)? == [0] || self.is_known(end + 1) && !self.is_known(end));
        Ok(end + u64::from(padded))
    }

    /// Whether a chunk that everyone writes begins at `at`.
    fn is_known(&mut self, at: u64) -> bool {
        const KNOWN: [&[u8; 4]; 9] =
            [b"fmt ", b"data", b"fact", b"LIST", b"ds64", b"JUNK", b"bext", b"PEAK", b"cue "];
        self.bytes(at).is_ok_and(|id| KNOWN.contains(&&id))
    }

    /// Whether chunks, and nothing else, fill the file from `at` to its end.
    fn are_chunks(&mut self, mut at: u64) -> Result<bool> {
        for _ in 0..MAX_CHUNKS {
            if at >= self.length {
                return Ok(at == self.length);
            }
            if at + 8 > self.length {
                return Ok(false);
            }
            let chunk = self.chunk(at)?;
            if !chunk.id.iter().all(|byte| (b' '..=b'~').contains(byte)) {
                return Ok(false);
            }
            at = self.after(&chunk)?;
        }
        Ok(false)
    }
}

/// A size from here on that the file does not bear out was never meant: programs that write into a
/// pipe declare the largest that there is, signed or not, or something near it.
const PLACEHOLDER: u64 = 1 << 30;
/// By how much sizes are too large that count headers as well.
const HEADERS: u64 = 1 << 10;

/// Bytes of samples that are there, and what is wrong with the header.
fn data_length<S: Read + Seek>(
    file: &mut Chunks<'_, S>,
    data: &Chunk,
    long_data: Option<u64>,
    fmt: Fmt,
) -> Result<(u64, Option<Remark>)> {
    let available = file.length - data.body;
    let declared = match long_data {
        Some(long) if data.size == u32::MAX => long,
        _ => u64::from(data.size),
    };
    if declared == 0 && !file.are_chunks(data.body)? {
        // A recorder that never came to fill it in.
        return Ok((available, None));
    }
    if declared <= available {
        return Ok((declared, None));
    }
    // Where the true size has another place, this one is a placeholder by design.
    let open = data.size & 0x7FFF_F000 == 0x7FFF_F000 && long_data.is_none();
    let missing = declared - available;
    let oversized = declared >= PLACEHOLDER || missing <= HEADERS.min(declared / 8);
    let frame = u64::from(fmt.block_bytes) / u64::from(fmt.block_frames).max(1);
    let frame = frame.max(1);
    ensure!(
        open || oversized,
        "it is truncated: the header promises {} samples ({:.3} s), the file holds {}; copy it again",
        declared / frame,
        (declared / frame) as f64 / f64::from(fmt.rate.max(1)),
        available / frame
    );
    Ok((available, (!open).then_some(OVERSIZED)))
}

const PCM: u16 = 1;
const FLOAT: u16 = 3;
const EXTENSIBLE: u16 = 0xFFFE;

/// What follows the format tag in the GUID of an extensible header.
const GUID_TAIL: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];

fn read_fmt<S: Read + Seek>(file: &mut Chunks<'_, S>, chunk: &Chunk) -> Result<Fmt> {
    ensure!(chunk.size >= 16, "its format chunk has {} bytes instead of 16 or more", chunk.size);
    let fmt: [u8; 16] = file.bytes(chunk.body)?;
    let u16_at = |i: usize| u16::from_le_bytes([fmt[i], fmt[i + 1]]);
    let (mut tag, channels, block_bytes, bits) = (u16_at(0), u16_at(2), u16_at(12), u16_at(14));
    let rate = u32::from_le_bytes([fmt[4], fmt[5], fmt[6], fmt[7]]);
    if tag == EXTENSIBLE {
        ensure!(chunk.size >= 40, "its extensible format chunk has {} bytes, not 40", chunk.size);
        let [low, high, tail @ ..]: [u8; 16] = file.bytes(chunk.body + 24)?;
        ensure!(
            tail == GUID_TAIL,
            "its encoding is one that only its maker knows; convert it to PCM"
        );
        tag = u16::from_le_bytes([low, high]);
    }
    ensure!(channels > 0, "its header claims to have no channels; it is damaged");
    let bytes = block_bytes / channels;
    ensure!(
        bytes > 0 && block_bytes % channels == 0,
        "its header packs {channels} channels into {block_bytes} bytes; it is damaged"
    );
    let mut block_frames = 1;
    let encoding = match (tag, bytes, bits) {
        // Left-justified in their bytes, so that the bytes are what counts ...
        (PCM, 1..=4, 1..) if bits.div_ceil(8) == bytes => Encoding::Int { bytes, bits: 8 * bytes },
        // ... but for these, as `arecord -f S24_LE` writes them.
        (PCM, 4, 24) => Encoding::Int { bytes, bits },
        (FLOAT, 4, 32) => Encoding::Float32,
        (FLOAT, 8, 64) => Encoding::Float64,
        (PCM | FLOAT, ..) => {
            bail!(
                "its samples have {bits} bits in {bytes} bytes, which is not supported; convert it"
            )
        }
        (0x0002 | 0x0011, _, 4) if chunk.size >= 20 => {
            block_frames = u16::from_le_bytes(file.bytes(chunk.body + 18)?);
            // A block begins with a few whole bytes a channel; then two frames are a byte.
            let most = 2 * u32::from(bytes);
            ensure!(
                (1..=most).contains(&block_frames.into()) && channels <= 2,
                "its header packs {block_frames} samples of {channels} channels into {block_bytes} \
                 bytes; it is damaged"
            );
            Encoding::Coded(if tag == 0x0002 { CODEC_ID_ADPCM_MS } else { CODEC_ID_ADPCM_IMA_WAV })
        }
        (0x0006, 1, _) => Encoding::Coded(CODEC_ID_PCM_ALAW),
        (0x0007, 1, _) => Encoding::Coded(CODEC_ID_PCM_MULAW),
        _ => bail!(
            "its encoding is {}, which is not supported; convert it, for example with \
             `sox IN.wav -e signed-integer -b 16 OUT.wav`",
            encoding_name(tag)
        ),
    };
    Ok(Fmt { rate, channels, encoding, block_bytes, block_frames })
}

fn encoding_name(tag: u16) -> String {
    let name = match tag {
        0x0002 => "Microsoft ADPCM",
        0x0006 => "A-law",
        0x0007 => "mu-law",
        0x0011 => "IMA ADPCM",
        0x0031 => "GSM 6.10",
        0x0050 => "MPEG audio",
        0x0055 => "MP3 inside WAV",
        _ => return format!("unknown (format tag {tag:#06x})"),
    };
    name.to_owned()
}
