//! FLAC, Ogg and MP3, through symphonia.

use std::io::ErrorKind;

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_FLAC, CODEC_ID_MP3, CODEC_ID_OPUS, CODEC_ID_VORBIS,
};
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::{FormatOptions, FormatReader};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions, ReadOnlySource};
use symphonia::default::formats::{FlacReader, MpaReader, OggReader};

use super::{Format, Source};

/// Frames by which an MP3 may fall short of its header: programs that cut MP3 files leave it as it
/// was, off by one MPEG frame.
const MP3_TOLERANCE: u64 = 1152;

/// How packets are laid out in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    Flac,
    Ogg,
    Mp3,
}

pub(super) struct Compressed {
    packets: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    format: Format,
    tolerance: u64,
    frames: u64,
}

impl Compressed {
    /// Opens the file at the present position of `source`.
    pub(super) fn open(source: Box<dyn Source>, container: Container) -> Result<(Self, Format)> {
        // Without seeking, symphonia does not guess the length of an MP3 from its first frames and
        // then cut it there.
        let source = Box::new(ReadOnlySource::new(source));
        let stream = MediaSourceStream::new(source, MediaSourceStreamOptions::default());
        let options = FormatOptions::default();
        let packets: Box<dyn FormatReader> = match container {
            Container::Flac => Box::new(FlacReader::try_new(stream, options).map_err(explain)?),
            Container::Ogg => Box::new(OggReader::try_new(stream, options).map_err(explain)?),
            Container::Mp3 => Box::new(MpaReader::try_new(stream, options).map_err(explain)?),
        };
        let (track, parameters) = packets
            .tracks()
            .iter()
            .find_map(|track| match &track.codec_params {
                Some(CodecParameters::Audio(parameters)) => Some((track, parameters)),
                _ => None,
            })
            .context("it holds no sound that could be read; convert it to WAV or FLAC")?;
        let encoding = match parameters.codec {
            CODEC_ID_FLAC => "FLAC",
            CODEC_ID_VORBIS => "Ogg Vorbis",
            CODEC_ID_MP3 => "MP3",
            CODEC_ID_OPUS => bail!(
                "it is Opus, which is not supported; convert it, for example with \
                 `opusdec IN.opus OUT.wav`"
            ),
            _ => bail!("its encoding is not supported; convert it to WAV or FLAC"),
        };
        let channels = parameters.channels.as_ref().map_or(0, |channels| channels.count());
        let format = Format {
            rate: parameters.sample_rate.unwrap_or(0),
            channels: u16::try_from(channels).unwrap_or(0),
            encoding: encoding.to_owned(),
            frames: track.num_frames,
        };
        ensure!(format.channels > 0, "its header claims {channels} channels; it is damaged");
        let decoder = symphonia::default::get_codecs()
            .make_audio_decoder(parameters, &AudioDecoderOptions::default().verify(true))
            .map_err(explain)?;
        let track = track.id;
        let tolerance = if container == Container::Mp3 { MP3_TOLERANCE } else { 0 };
        let this = Self { packets, decoder, track, format: format.clone(), tolerance, frames: 0 };
        Ok((this, format))
    }

    /// Replaces `samples` by the next whole frames, interleaved; false at the end.
    pub(super) fn next(&mut self, samples: &mut Vec<f32>) -> Result<bool> {
        samples.clear();
        while samples.is_empty() {
            let Some(packet) = self.packets.next_packet().map_err(explain)? else {
                self.check_end()?;
                return Ok(false);
            };
            if packet.track_id != self.track {
                continue;
            }
            let decoded = self.decoder.decode(&packet).map_err(explain)?;
            let (rate, channels) = (decoded.spec().rate(), decoded.spec().channels().count());
            ensure!(
                rate == self.format.rate && channels == usize::from(self.format.channels),
                "it changes to {channels} channels at {rate} Hz midway; split it there"
            );
            decoded.copy_to_vec_interleaved(samples);
            self.frames += decoded.frames() as u64;
        }
        Ok(true)
    }

    /// Whether all came that the header promised.
    fn check_end(&mut self) -> Result<()> {
        if let Some(promised) = self.format.frames {
            ensure!(
                self.frames + self.tolerance >= promised,
                "it is truncated: the header promises {promised} samples, {} could be read; copy it \
                 again",
                self.frames
            );
        }
        let sum = self.decoder.finalize().verify_ok;
        ensure!(sum != Some(false), "its samples do not match their checksum; copy it again");
        Ok(())
    }
}

fn explain(error: SymphoniaError) -> Error {
    match error {
        SymphoniaError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            anyhow!("it is truncated: it ends before its last packet; copy it again")
        }
        SymphoniaError::IoError(error) => anyhow!("{error}; check the disk and copy it again"),
        SymphoniaError::ResetRequired => {
            anyhow!("it is several recordings one after the other (chained Ogg); split it")
        }
        SymphoniaError::Unsupported(what) => {
            anyhow!("it uses what is not supported ({what}); convert it to WAV or FLAC")
        }
        error => anyhow!("it is damaged ({error}); copy it again, or leave it out"),
    }
}
