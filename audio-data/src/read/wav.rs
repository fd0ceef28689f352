//! The samples of a WAV file.

use std::io::{Read, Seek, SeekFrom};

use anyhow::{Context, Result};
use hound::{Sample, SampleFormat};

use super::wav_header::{Encoding, WavHeader};
use super::{Format, Source};

/// Bytes read at a time, or one frame where that is more.
const BLOCK: usize = 1 << 16;

pub(super) struct Wav {
    source: Box<dyn Source>,
    encoding: Encoding,
    frame_bytes: usize,
    frames_left: u64,
    bytes: Vec<u8>,
}

impl Wav {
    /// Opens the WAV file at the present position of `source`.
    pub(super) fn open(mut source: Box<dyn Source>) -> Result<(Self, Format)> {
        let header = WavHeader::read(&mut source)?;
        source.seek(SeekFrom::Start(header.start))?;
        let format = Format {
            rate: header.rate,
            channels: header.channels,
            encoding: header.encoding.name(),
            frames: Some(header.frames),
        };
        let wav = Self {
            source,
            encoding: header.encoding,
            frame_bytes: usize::from(header.frame_bytes),
            frames_left: header.frames,
            bytes: Vec::new(),
        };
        Ok((wav, format))
    }

    /// Replaces `samples` by the next whole frames; false at the end.
    pub(super) fn next(&mut self, samples: &mut Vec<f32>) -> Result<bool> {
        let frames = self.frames_left.min((BLOCK / self.frame_bytes).max(1) as u64);
        self.bytes.resize(frames as usize * self.frame_bytes, 0);
        self.source
            .read_exact(&mut self.bytes)
            .context("its samples cannot be read to the end; check the disk and copy it again")?;
        self.frames_left -= frames;
        samples.clear();
        match self.encoding {
            Encoding::Int { bytes, bits } => {
                let scale = 0.5_f32.powi(i32::from(bits) - 1);
                let mut rest = self.bytes.as_slice();
                while !rest.is_empty() {
                    let sample = i32::read(&mut rest, SampleFormat::Int, bytes, bits)?;
                    samples.push(sample as f32 * scale);
                }
            }
            Encoding::Float32 => {
                let (chunks, _) = self.bytes.as_chunks();
                samples.extend(chunks.iter().map(|&bytes| f32::from_le_bytes(bytes)));
            }
            Encoding::Float64 => {
                let (chunks, _) = self.bytes.as_chunks();
                samples.extend(chunks.iter().map(|&bytes| f64::from_le_bytes(bytes) as f32));
            }
        }
        Ok(frames > 0)
    }
}
