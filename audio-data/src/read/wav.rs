//! The samples of a WAV file.

use std::io::{Read, Seek, SeekFrom};

use anyhow::{Context, Result};
use hound::{Sample, SampleFormat};
use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

use super::compressed::explain;
use super::wav_header::{Encoding, WavHeader};
use super::{Format, Remark, Source};

/// Bytes read at a time, or one block where that is more.
const PIECE: usize = 1 << 16;

pub(super) struct Wav {
    source: Box<dyn Source>,
    header: WavHeader,
    /// Of what hound does not decode.
    decoder: Option<Box<dyn AudioDecoder>>,
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
        let decoder = decoder(&header)?;
        let frames_left = header.frames;
        Ok((Self { source, header, decoder, frames_left, bytes: Vec::new() }, format))
    }

    /// What its maker got wrong.
    pub(super) fn remark(&self) -> Option<Remark> {
        self.header.remark
    }

    /// Whether its samples are floats, which may lie beyond full scale.
    pub(super) fn is_float(&self) -> bool {
        matches!(self.header.encoding, Encoding::Float32 | Encoding::Float64)
    }

    /// Replaces `samples` by the next whole frames; false at the end.
    pub(super) fn next(&mut self, samples: &mut Vec<f32>) -> Result<bool> {
        let block_bytes = usize::from(self.header.block_bytes);
        let block_frames = u64::from(self.header.block_frames);
        // What is coded becomes longer.
        let piece = if self.decoder.is_some() { PIECE / 8 } else { PIECE };
        let blocks =
            self.frames_left.div_ceil(block_frames).min((piece / block_bytes).max(1) as u64);
        let frames = self.frames_left.min(blocks * block_frames);
        self.bytes.resize(blocks as usize * block_bytes, 0);
        self.source
            .read_exact(&mut self.bytes)
            .context("its samples cannot be read to the end; check the disk and copy it again")?;
        self.frames_left -= frames;
        samples.clear();
        match self.header.encoding {
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
            Encoding::Coded(_) if frames > 0 => {
                let duration = Duration::from(blocks * block_frames);
                let packet = Packet::new(0, Timestamp::ZERO, duration, self.bytes.as_slice());
                let decoder = self.decoder.as_mut().context("it was opened with its decoder")?;
                decoder.decode(&packet).map_err(explain)?.copy_to_vec_interleaved(samples);
                samples.truncate(frames as usize * usize::from(self.header.channels));
            }
            Encoding::Coded(_) => {}
        }
        Ok(frames > 0)
    }
}

fn decoder(header: &WavHeader) -> Result<Option<Box<dyn AudioDecoder>>> {
    let Encoding::Coded(codec) = header.encoding else { return Ok(None) };
    let mut parameters = AudioCodecParameters::new();
    parameters
        .for_codec(codec)
        .with_sample_rate(header.rate)
        .with_channels(Channels::Discrete(header.channels))
        .with_max_frames_per_packet(PIECE as u64)
        .with_frames_per_block(header.block_frames.into());
    let codecs = symphonia::default::get_codecs();
    let options = AudioDecoderOptions::default();
    Ok(Some(codecs.make_audio_decoder(&parameters, &options).map_err(explain)?))
}
