//! Any supported audio file as mono blocks, a few kilobytes at a time.

mod compressed;
mod kind;
mod mpeg_frame;
mod resampled;
mod wav;
mod wav_header;

use std::fs::File;
use std::io::{Cursor, ErrorKind, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use dsp::resample::RATES;
use program::panics;

use self::compressed::Compressed;
use self::kind::Kind;
pub use self::resampled::resampled;
use self::wav::Wav;

/// What a file's header says about its sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    /// Samples per second in each channel.
    pub rate: u32,
    /// Channels in the file; [`Reader`] averages them.
    pub channels: u16,
    /// Such as "16-bit PCM", "32-bit float", "FLAC", "MP3", "Ogg Vorbis", "AAC".
    pub encoding: String,
    /// Samples in each channel, where the header says so.
    pub frames: Option<u64>,
}

/// The kinds of files that are read, in words.
pub const READ: &str = "WAV, FLAC, Ogg Vorbis, MP3, AAC, ALAC, AIFF or CAF";

/// What is to be said about a file that is read all the same.
pub type Remark = &'static str;

/// Of a file whose header promises more than there is, and is more likely wrong than the file is
/// truncated.
const OVERSIZED: Remark = "headers that promise more than there is, files read to their end";
/// Of an MP3 that was cut out of another.
const CUT: Remark = "files that begin inside an MP3 frame, read from the next one";
/// Of floats that are not within [-1, 1], as they should be.
const LOUD: Remark = "floats beyond full scale, divided by their peak";

/// Reads one file from its beginning to its end.
///
/// What a file holds is decided by its content, not by its name. Memory stays at a few hundred
/// kilobytes whatever the header claims.
pub struct Reader {
    format: Format,
    decoder: Decoder,
    origin: Origin,
    remarks: Vec<Remark>,
    /// What samples are divided by; found out before the first block.
    peak: Option<f32>,
    /// Frames handed out so far.
    frames: u64,
    interleaved: Vec<f32>,
    block: Vec<f32>,
}

enum Decoder {
    Wav(Wav),
    Compressed(Compressed),
}

impl Decoder {
    /// Replaces `samples` by the next whole frames; false at the end.
    fn next(&mut self, samples: &mut Vec<f32>) -> Result<bool> {
        guarded(|| match self {
            Self::Wav(wav) => wav.next(samples),
            Self::Compressed(compressed) => compressed.next(samples),
        })
    }

    fn is_float(&self) -> bool {
        match self {
            Self::Wav(wav) => wav.is_float(),
            Self::Compressed(compressed) => compressed.is_float(),
        }
    }
}

/// What can be opened again.
#[derive(Clone)]
enum Origin {
    File(PathBuf),
    Bytes(Arc<[u8]>),
}

impl Origin {
    fn open(&self) -> Result<Box<dyn Source>> {
        Ok(match self {
            Self::File(path) => Box::new(open_file(path)?),
            Self::Bytes(bytes) => Box::new(Cursor::new(bytes.clone())),
        })
    }

    fn cannot_read(&self) -> String {
        match self {
            Self::File(path) => format!("cannot read {}", path.display()),
            Self::Bytes(_) => "cannot read audio".to_owned(),
        }
    }
}

/// Where bytes come from.
trait Source: Read + Seek + Send + Sync {}

impl<S: Read + Seek + Send + Sync> Source for S {}

impl Reader {
    /// Opens a file ([`READ`]) and reads its header.
    ///
    /// # Errors
    /// If it cannot be opened, holds no audio, a kind of audio that is not supported, fewer samples
    /// than its header promises, or none at all. The message names the file, the cause and what to
    /// do.
    pub fn open(path: &Path) -> Result<Self> {
        Self::new(Origin::File(path.to_owned()))
    }

    /// Reads a file that is in memory already.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        Self::new(Origin::Bytes(bytes.into()))
    }

    fn new(origin: Origin) -> Result<Self> {
        let (decoder, format, remark) =
            origin.open().and_then(open_decoder).with_context(|| origin.cannot_read())?;
        Ok(Self {
            format,
            decoder,
            origin,
            remarks: remark.into_iter().collect(),
            peak: None,
            frames: 0,
            interleaved: Vec::new(),
            block: Vec::new(),
        })
    }

    /// What the header says.
    pub fn format(&self) -> &Format {
        &self.format
    }

    /// What is to be said about the file; complete after the first block.
    pub fn remarks(&self) -> &[Remark] {
        &self.remarks
    }

    /// The next samples, at least one, in [-1, 1]: the mean of the channels. Floats that go beyond
    /// full scale are divided by their peak, as one sound is one whatever it was scaled to; what a
    /// decoder makes of compressed sound is clipped there. `None` at the end.
    ///
    /// # Errors
    /// If the file is damaged or holds a sample that is no number.
    pub fn next_block(&mut self) -> Result<Option<&[f32]>> {
        let more = self.decode().with_context(|| self.origin.cannot_read())?;
        Ok(more.then_some(self.block.as_slice()))
    }

    fn decode(&mut self) -> Result<bool> {
        if self.peak.is_none() {
            let peak = if self.decoder.is_float() { self.measure_peak()? } else { 1.0 };
            if peak > 1.0 {
                self.remarks.push(LOUD);
            }
            self.peak = Some(peak.max(1.0));
        }
        if !self.decoder.next(&mut self.interleaved)? {
            ensure!(self.frames > 0, NO_SAMPLES);
            return Ok(false);
        }
        self.mix()?;
        let peak = self.peak.unwrap_or(1.0);
        self.block.iter_mut().for_each(|sample| *sample = (*sample / peak).clamp(-1.0, 1.0));
        self.frames += self.block.len() as u64;
        Ok(true)
    }

    /// The largest magnitude in the whole file, which is read once more for it.
    fn measure_peak(&self) -> Result<f32> {
        let mut twin = Self::new(self.origin.clone())?;
        let mut peak = 0.0_f32;
        while twin.decoder.next(&mut twin.interleaved)? {
            twin.mix()?;
            peak = twin.block.iter().fold(peak, |peak, sample| peak.max(sample.abs()));
            twin.frames += twin.block.len() as u64;
        }
        Ok(peak)
    }

    /// Averages the channels of `interleaved` into `block`.
    fn mix(&mut self) -> Result<()> {
        let channels = usize::from(self.format.channels);
        self.block.clear();
        for frame in self.interleaved.chunks_exact(channels) {
            let mean = frame.iter().sum::<f32>() / channels as f32;
            if !mean.is_finite() {
                let at = self.frames + self.block.len() as u64;
                let what =
                    if frame.iter().any(|x| x.is_nan()) { "not a number" } else { "infinite" };
                bail!(
                    "sample {at} (at {:.3} s) is {what}; write the file again, or leave it out",
                    at as f64 / f64::from(self.format.rate)
                );
            }
            self.block.push(mean);
        }
        Ok(())
    }
}

/// `decode()`, with a panic in it turned into an error.
///
/// symphonia is safe Rust, but its arithmetic overflows on some crafted files, which panics wherever
/// overflow is checked. One such file among thousands must not end a run.
fn guarded<T>(decode: impl FnOnce() -> Result<T>) -> Result<T> {
    panics::caught(decode).unwrap_or_else(|_| {
        bail!("it is damaged, and its decoder gave up; copy it again, or leave it out")
    })
}

const NO_SAMPLES: &str = "it has a header but no samples; record or copy it again, or leave it out";

/// Whether a file is taken for audio by its name, in any case. Not all of what is called so can be
/// read: what cannot is told with the reason.
pub fn is_audio_name(path: &Path) -> bool {
    const NAMES: [&str; 29] = [
        "wav", "wave", "bwf", "rf64", "bw64", "w64", "flac", "ogg", "oga", "opus", "mp3", "mp2",
        "aac", "m4a", "m4b", "aif", "aiff", "aifc", "caf", "au", "snd", "wma", "amr", "ape", "wv",
        "mka", "weba", "ac3", "dsf",
    ];
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| NAMES.iter().any(|name| extension.eq_ignore_ascii_case(name)))
}

fn open_decoder(mut source: Box<dyn Source>) -> Result<(Decoder, Format, Option<Remark>)> {
    let (kind, remark) = kind::detect(&mut source)?;
    let (decoder, format, remark) = match kind {
        Kind::Wav => {
            let (wav, format) = guarded(|| Wav::open(source))?;
            let remark = wav.remark();
            (Decoder::Wav(wav), format, remark)
        }
        Kind::Compressed(container) => {
            let (compressed, format) = guarded(|| Compressed::open(source, container))?;
            (Decoder::Compressed(compressed), format, remark)
        }
    };
    ensure!(
        RATES.contains(&format.rate),
        "its header says {} Hz; rates from {} to {} Hz are supported. The header is probably damaged",
        format.rate,
        RATES.start(),
        RATES.end()
    );
    ensure!(format.frames != Some(0), NO_SAMPLES);
    Ok((decoder, format, remark))
}

fn open_file(path: &Path) -> Result<File> {
    let explain = |error: std::io::Error| -> Error {
        match error.kind() {
            ErrorKind::NotFound => anyhow!("there is no such file; check the path"),
            ErrorKind::PermissionDenied => {
                anyhow!("you may not read it; change its permissions or run as its owner")
            }
            _ => anyhow!("{error}; check that the disk is connected and in order"),
        }
    };
    // Opening a named pipe would wait for a writer, so look first.
    let metadata = path.metadata().map_err(explain)?;
    ensure!(!metadata.is_dir(), "it is a folder, not a file; rename it or leave it out");
    ensure!(
        metadata.is_file(),
        "it is a pipe or device, not a regular file; copy it to a file first"
    );
    File::open(path).map_err(explain)
}
