//! Any supported audio file as mono blocks, a few kilobytes at a time.

mod compressed;
mod kind;
mod wav;
mod wav_header;

use std::fs::File;
use std::io::{Cursor, ErrorKind, Read, Seek};
use std::path::Path;

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use dsp::resample::RATES;
use program::panics;

use self::compressed::Compressed;
use self::kind::Kind;
use self::wav::Wav;

/// What a file's header says about its sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    /// Samples per second in each channel.
    pub rate: u32,
    /// Channels in the file; [`Reader`] averages them.
    pub channels: u16,
    /// Such as "16-bit PCM", "32-bit float", "FLAC", "MP3", "Ogg Vorbis".
    pub encoding: String,
    /// Samples in each channel, where the header says so.
    pub frames: Option<u64>,
}

/// Reads one file from its beginning to its end.
///
/// What a file holds is decided by its content, not by its name. Memory stays at a few hundred
/// kilobytes whatever the header claims.
pub struct Reader {
    format: Format,
    decoder: Decoder,
    /// How errors call the file.
    name: String,
    /// Frames handed out so far.
    frames: u64,
    interleaved: Vec<f32>,
    block: Vec<f32>,
}

enum Decoder {
    Wav(Wav),
    Compressed(Compressed),
}

/// Where bytes come from.
trait Source: Read + Seek + Send + Sync {}

impl<S: Read + Seek + Send + Sync> Source for S {}

impl Reader {
    /// Opens a WAV, FLAC, Ogg Vorbis or MP3 file and reads its header.
    ///
    /// # Errors
    /// If it cannot be opened, holds no audio, a kind of audio that is not supported, fewer samples
    /// than its header promises, or none at all. The message names the file, the cause and what to
    /// do.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let file = open_file(path).with_context(|| cannot_read(&name))?;
        Self::new(Box::new(file), name)
    }

    /// Reads a file that is in memory already.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        Self::new(Box::new(Cursor::new(bytes)), "audio".to_owned())
    }

    fn new(source: Box<dyn Source>, name: String) -> Result<Self> {
        let (decoder, format) = open_decoder(source).with_context(|| cannot_read(&name))?;
        let (interleaved, block) = (Vec::new(), Vec::new());
        Ok(Self { format, decoder, name, frames: 0, interleaved, block })
    }

    /// What the header says.
    pub fn format(&self) -> &Format {
        &self.format
    }

    /// The next samples, at least one, in [-1, 1]: the mean of the channels, clipped where a file
    /// goes beyond full scale. `None` at the end.
    ///
    /// # Errors
    /// If the file is damaged or holds a sample that is no number.
    pub fn next_block(&mut self) -> Result<Option<&[f32]>> {
        let more = self.decode().with_context(|| cannot_read(&self.name))?;
        Ok(more.then_some(self.block.as_slice()))
    }

    fn decode(&mut self) -> Result<bool> {
        let more = match &mut self.decoder {
            Decoder::Wav(wav) => wav.next(&mut self.interleaved)?,
            Decoder::Compressed(compressed) => guarded(|| compressed.next(&mut self.interleaved))?,
        };
        if !more {
            ensure!(self.frames > 0, NO_SAMPLES);
            return Ok(false);
        }
        self.mix()?;
        self.frames += self.block.len() as u64;
        Ok(true)
    }

    /// Averages the channels of `interleaved` into `block`.
    fn mix(&mut self) -> Result<()> {
        let channels = usize::from(self.format.channels);
        self.block.clear();
        for frame in self.interleaved.chunks_exact(channels) {
            let mean = frame.iter().sum::<f32>() / channels as f32;
            if !frame.iter().all(|sample| sample.is_finite()) {
                let at = self.frames + self.block.len() as u64;
                let what =
                    if frame.iter().any(|x| x.is_nan()) { "not a number" } else { "infinite" };
                bail!(
                    "sample {at} (at {:.3} s) is {what}; write the file again, or leave it out",
                    at as f64 / f64::from(self.format.rate)
                );
            }
            self.block.push(mean.clamp(-1.0, 1.0));
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

/// Whether a file is taken for audio by its name: wav, wave, flac, ogg, oga or mp3 in any case.
pub fn is_audio_name(path: &Path) -> bool {
    const NAMES: [&str; 6] = ["wav", "wave", "flac", "ogg", "oga", "mp3"];
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| NAMES.iter().any(|name| extension.eq_ignore_ascii_case(name)))
}

fn open_decoder(mut source: Box<dyn Source>) -> Result<(Decoder, Format)> {
    let (decoder, format) = match kind::detect(&mut source)? {
        Kind::Wav => {
            let (wav, format) = Wav::open(source)?;
            (Decoder::Wav(wav), format)
        }
        Kind::Compressed(container) => {
            let (compressed, format) = guarded(|| Compressed::open(source, container))?;
            (Decoder::Compressed(compressed), format)
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
    Ok((decoder, format))
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

fn cannot_read(name: &str) -> String {
    format!("cannot read {name}")
}
