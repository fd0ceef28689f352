//! FLAC, Ogg, MP3, AAC, ALAC, AIFF and CAF, through symphonia.

use std::io::{ErrorKind, Read, Seek, SeekFrom};

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known::*;
use symphonia::core::codecs::audio::{AudioCodecId, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::{FormatOptions, FormatReader};
use symphonia::core::io::{
    MediaSource, MediaSourceStream, MediaSourceStreamOptions, ReadOnlySource,
};
use symphonia::default::formats::{
    AdtsReader, AiffReader, CafReader, FlacReader, IsoMp4Reader, MpaReader, OggReader,
};

use super::{Format, Source};

/// Frames by which an MP3 may fall short of its header: programs that cut MP3 files leave it as it
/// was, off by one MPEG frame.
const MP3_TOLERANCE: u64 = 1152;

/// The same of AAC: whether a header counts what its encoder puts in front and behind is its maker's
/// choice.
const AAC_TOLERANCE: u64 = 4 * 1024;

/// Packets at the beginning of a file that was cut out of another, which refer to what is not there.
const INCOMPLETE: u32 = 4;

/// How packets are laid out in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    Flac,
    Ogg,
    Mp3,
    /// AAC, packet by packet.
    Adts,
    Mp4,
    Aiff,
    Caf,
}

pub(super) struct Compressed {
    packets: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    format: Format,
    container: Container,
    frames: u64,
    /// Packets that could not be decoded.
    incomplete: u32,
}

impl Compressed {
    /// Opens the file at the present position of `source`.
    pub(super) fn open(source: Box<dyn Source>, container: Container) -> Result<(Self, Format)> {
        let source: Box<dyn MediaSource> = match container {
            // Their tables may lie behind the sound.
            Container::Mp4 | Container::Caf => Box::new(Seekable::new(source)?),
            // Without seeking, symphonia does not guess the length of an MP3 from its first frames
            // and then cut it there.
            _ => Box::new(ReadOnlySource::new(source)),
        };
        let stream = MediaSourceStream::new(source, MediaSourceStreamOptions::default());
        let options = FormatOptions::default();
        let packets: Box<dyn FormatReader> = match container {
            Container::Flac => Box::new(FlacReader::try_new(stream, options).map_err(explain)?),
            Container::Ogg => Box::new(OggReader::try_new(stream, options).map_err(explain)?),
            Container::Mp3 => Box::new(MpaReader::try_new(stream, options).map_err(explain)?),
            Container::Adts => Box::new(AdtsReader::try_new(stream, options).map_err(explain)?),
            Container::Mp4 => Box::new(IsoMp4Reader::try_new(stream, options).map_err(explain)?),
            Container::Aiff => Box::new(AiffReader::try_new(stream, options).map_err(explain)?),
            Container::Caf => Box::new(CafReader::try_new(stream, options).map_err(explain)?),
        };
        let (track, parameters) = packets
            .tracks()
            .iter()
            .find_map(|track| match &track.codec_params {
                Some(CodecParameters::Audio(parameters)) => Some((track, parameters)),
                _ => None,
            })
            .context("it holds no sound that could be read; convert it to WAV or FLAC")?;
        if parameters.codec == CODEC_ID_OPUS {
            bail!(
                "it is Opus, which is not supported; convert it, for example with \
                 `opusdec IN.opus OUT.wav`"
            );
        }
        let encoding = match (codec_name(parameters.codec), parameters.bits_per_sample) {
            (Some("PCM"), Some(bits)) => format!("{bits}-bit PCM"),
            (Some(name), _) => name.to_owned(),
            (None, _) => bail!("its encoding is not supported; convert it to WAV or FLAC"),
        };
        let channels = parameters.channels.as_ref().map_or(0, |channels| channels.count());
        let format = Format {
            rate: parameters.sample_rate.unwrap_or(0),
            channels: u16::try_from(channels).unwrap_or(0),
            encoding,
            // Of AAC without a table, symphonia only guesses it.
            frames: track.num_frames.filter(|_| container != Container::Adts),
        };
        ensure!(format.channels > 0, "its header claims {channels} channels; it is damaged");
        let decoder = symphonia::default::get_codecs()
            .make_audio_decoder(parameters, &AudioDecoderOptions::default().verify(true))
            .map_err(explain)?;
        let track = track.id;
        let this = Self {
            packets,
            decoder,
            track,
            format: format.clone(),
            container,
            frames: 0,
            incomplete: 0,
        };
        Ok((this, format))
    }

    /// Whether its samples are floats, which may lie beyond full scale.
    pub(super) fn is_float(&self) -> bool {
        codec_name(self.decoder.codec_params().codec).is_some_and(|name| name.ends_with("float"))
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
            let decoded = match self.decoder.decode(&packet) {
                Err(SymphoniaError::DecodeError(_))
                    if self.container == Container::Mp3
                        && self.frames == 0
                        && self.incomplete < INCOMPLETE =>
                {
                    self.incomplete += 1;
                    continue;
                }
                decoded => decoded.map_err(explain)?,
            };
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
            let tolerance = match self.container {
                Container::Mp3 => MP3_TOLERANCE,
                Container::Mp4 | Container::Caf => AAC_TOLERANCE,
                _ => 0,
            };
            ensure!(
                self.frames + tolerance >= promised,
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

/// What the encodings that are read are called.
pub(super) fn codec_name(codec: AudioCodecId) -> Option<&'static str> {
    Some(match codec {
        CODEC_ID_FLAC => "FLAC",
        CODEC_ID_VORBIS => "Ogg Vorbis",
        CODEC_ID_MP3 => "MP3",
        CODEC_ID_AAC => "AAC",
        CODEC_ID_ALAC => "ALAC",
        CODEC_ID_PCM_ALAW => "A-law",
        CODEC_ID_PCM_MULAW => "mu-law",
        CODEC_ID_ADPCM_MS => "Microsoft ADPCM",
        CODEC_ID_ADPCM_IMA_WAV | CODEC_ID_ADPCM_IMA_QT => "IMA ADPCM",
        CODEC_ID_PCM_F32LE | CODEC_ID_PCM_F32BE => "32-bit float",
        CODEC_ID_PCM_F64LE | CODEC_ID_PCM_F64BE => "64-bit float",
        CODEC_ID_PCM_S8 | CODEC_ID_PCM_U8 | CODEC_ID_PCM_S16LE | CODEC_ID_PCM_S16BE
        | CODEC_ID_PCM_S24LE | CODEC_ID_PCM_S24BE | CODEC_ID_PCM_S32LE | CODEC_ID_PCM_S32BE => {
            "PCM"
        }
        _ => return None,
    })
}

/// A source that symphonia may seek in, whose beginning is where it stands.
struct Seekable {
    source: Box<dyn Source>,
    start: u64,
    length: u64,
}

impl Seekable {
    fn new(mut source: Box<dyn Source>) -> Result<Self> {
        let start = source.stream_position()?;
        let length = source.seek(SeekFrom::End(0))? - start;
        source.seek(SeekFrom::Start(start))?;
        Ok(Self { source, start, length })
    }
}

impl Read for Seekable {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        self.source.read(bytes)
    }
}

impl Seek for Seekable {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let to = match to {
            SeekFrom::Start(at) => SeekFrom::Start(self.start.saturating_add(at)),
            to => to,
        };
        Ok(self.source.seek(to)?.saturating_sub(self.start))
    }
}

impl MediaSource for Seekable {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.length)
    }
}

pub(super) fn explain(error: SymphoniaError) -> Error {
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
