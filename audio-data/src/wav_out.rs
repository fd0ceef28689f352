//! 16-bit WAV files, playable while they grow.

use std::fs::{self, File};
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};

use anyhow::{Error, Result, anyhow, ensure};
use hound::{SampleFormat, WavSpec};
use program::files;

/// Samples that fit behind a header whose sizes have 32 bits.
pub const MOST: u64 = (u32::MAX as u64 - 64) / 2;

/// Writes one mono file of 16-bit samples.
///
/// The file grows beside its place, which can be played at any time up to the last second or so, and
/// takes its name when it is complete. Dropped before that, it is removed. Between two writes it is
/// not open, so that there may be more writers than a process may have files.
#[derive(Debug)]
pub struct WavWriter {
    path: PathBuf,
    aside: PathBuf,
    rate: u32,
    written: u64,
    /// Not in the file yet: less than a second.
    waiting: Vec<f32>,
    keeps: bool,
    finished: bool,
}

impl WavWriter {
    /// Starts a file at `rate` Hz that will be called `path`.
    ///
    /// # Errors
    /// With path, cause and remedy, if it cannot be created.
    pub fn create(path: &Path, rate: u32) -> Result<Self> {
        Self::create_aside(path, files::aside(path), rate)
    }

    fn create_aside(path: &Path, aside: PathBuf, rate: u32) -> Result<Self> {
        let this = Self {
            path: path.to_owned(),
            aside,
            rate,
            written: 0,
            waiting: Vec::new(),
            keeps: false,
            finished: false,
        };
        // The header, so that the file can be played from the beginning.
        let created =
            hound::WavWriter::create(&this.aside, spec(rate)).and_then(hound::WavWriter::finalize);
        created.map_err(|error| explain(error, path))?;
        Ok(this)
    }

    /// Replaces no file at its place but one that it goes on from, sample by sample: nothing is lost
    /// with that.
    #[must_use]
    pub fn keeping_others(mut self) -> Self {
        self.keeps = true;
        self
    }

    /// Appends samples, clipped to [-1, 1].
    ///
    /// # Errors
    /// If the disk is full, or a file can hold no more.
    pub fn write(&mut self, samples: &[f32]) -> Result<()> {
        self.written += samples.len() as u64;
        ensure!(
            self.written <= MOST,
            "cannot write {}: a WAV file holds at most 4 GiB ({:.1} h at {} Hz); write several",
            self.path.display(),
            MOST as f64 / f64::from(self.rate) / 3600.0,
            self.rate
        );
        self.waiting.extend_from_slice(samples);
        if self.waiting.len() >= self.rate as usize { self.flush() } else { Ok(()) }
    }

    /// Whether the file at its place is the beginning of this one.
    fn goes_on(&self) -> Result<bool> {
        let read = |path: &Path| fs::read(path).map_err(files::cannot("read", path));
        let (old, new) = (read(&self.path)?, read(&self.aside)?);
        // Behind the sizes in the header, which is as long in both.
        const HEADER: usize = 44;
        let samples = old.get(HEADER..).zip(new.get(HEADER..));
        Ok(samples.is_some_and(|(old, new)| new.starts_with(old)))
    }

    /// Writes what waits.
    fn flush(&mut self) -> Result<()> {
        let append = || {
            let mut wav = hound::WavWriter::append(&self.aside)?;
            append(&mut wav, &self.waiting)?;
            wav.finalize()
        };
        append().map_err(|error| explain(error, &self.path))?;
        self.waiting.clear();
        Ok(())
    }

    /// Completes the file, flushes it to the disk and gives it its name.
    ///
    /// # Errors
    /// If the disk is full, the name cannot be taken, or another file has it that is to be kept;
    /// nothing is left behind then.
    pub fn finish(mut self) -> Result<()> {
        self.flush()?;
        ensure!(
            !self.keeps || !self.path.exists() || self.goes_on()?,
            "{} is another sound already: --overwrite replaces it, --out DIR writes elsewhere",
            self.path.display()
        );
        let synced = File::open(&self.aside).and_then(|file| file.sync_all());
        synced
            .and_then(|()| files::rename(&self.aside, &self.path))
            .map_err(files::cannot("write", &self.path))?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for WavWriter {
    fn drop(&mut self) {
        if !self.finished {
            // There is an error to report already, or nobody to report this one to.
            let _ = fs::remove_file(&self.aside);
        }
    }
}

/// A whole WAV file in memory: 16-bit, mono, clipped to [-1, 1].
///
/// # Errors
/// If the samples are more than a WAV file can hold.
pub fn wav_bytes(samples: &[f32], rate: u32) -> Result<Vec<u8>> {
    ensure!(samples.len() as u64 <= MOST, "{} samples do not fit a WAV file", samples.len());
    let mut bytes = Vec::with_capacity(44 + 2 * samples.len());
    let mut wav = hound::WavWriter::new(Cursor::new(&mut bytes), spec(rate))?;
    append(&mut wav, samples)?;
    wav.finalize()?;
    Ok(bytes)
}

fn append<W: io::Write + io::Seek>(
    wav: &mut hound::WavWriter<W>,
    samples: &[f32],
) -> hound::Result<()> {
    // The scale that reading divides by, so that what was read is written back unchanged; the cast
    // clips.
    samples.iter().try_for_each(|sample| wav.write_sample((sample * 32768.0).round() as i16))
}

fn spec(rate: u32) -> WavSpec {
    WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    }
}

/// The failure to write `path`, with what to do about it.
fn explain(error: hound::Error, path: &Path) -> Error {
    match error {
        hound::Error::IoError(error) => files::cannot("write", path)(error),
        error => anyhow!("cannot write {}: {error}", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn names(folder: &Path) -> Vec<OsString> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    }

    fn ramp(length: usize) -> Vec<f32> {
        (0..length).map(|i| (i % 65536) as f32 / 32768.0 - 1.0).collect()
    }

    fn codes(bytes: &[u8]) -> Vec<i16> {
        let wav = hound::WavReader::new(bytes).unwrap();
        assert_eq!(wav.spec(), spec(16_000));
        wav.into_samples().map(Result::unwrap).collect()
    }

    #[test]
    fn every_code_is_written_as_it_is() {
        let written = codes(&wav_bytes(&ramp(65536), 16_000).unwrap());
        assert!(written.into_iter().eq(i16::MIN..=i16::MAX));
    }

    #[test]
    fn what_goes_beyond_full_scale_is_clipped() {
        let samples = [1.0, 7.0, f32::INFINITY, -1.0, -7.0, f32::NAN];
        let written = codes(&wav_bytes(&samples, 16_000).unwrap());
        assert_eq!(written, [32767, 32767, 32767, -32768, -32768, 0]);
    }

    #[test]
    fn a_file_takes_its_name_when_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let mut writer = WavWriter::create(&path, 16_000).unwrap();
        let samples = ramp(50_000);
        samples.chunks(333).for_each(|block| writer.write(block).unwrap());
        assert!(!path.exists());
        writer.finish().unwrap();
        assert_eq!(names(folder.path()), ["a.wav"]);
        assert_eq!(fs::read(&path).unwrap(), wav_bytes(&samples, 16_000).unwrap());
    }

    #[test]
    fn an_unfinished_file_can_be_played() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let mut writer = WavWriter::create(&path, 16_000).unwrap();
        let samples = ramp(40_000);
        for (i, block) in samples.chunks(1000).enumerate() {
            writer.write(block).unwrap();
            // hound refuses a file whose header it cannot trust.
            let playable = codes(&fs::read(&writer.aside).unwrap());
            let written = 1000 * (i + 1);
            assert!(playable.len() + 16_000 > written, "{} of {written}", playable.len());
        }
    }

    #[test]
    fn only_what_is_gone_on_from_is_replaced_where_others_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let write = |samples: &[f32]| {
            let mut writer = WavWriter::create(&path, 16_000).unwrap().keeping_others();
            writer.write(samples).unwrap();
            writer.finish()
        };
        write(&ramp(10)).unwrap();
        write(&ramp(10)).unwrap();
        write(&ramp(20)).unwrap();
        let whole = fs::read(&path).unwrap();
        for other in [&ramp(10)[..], &[0.5; 30]] {
            let error = write(other).unwrap_err().to_string();
            assert!(error.contains("a.wav is another sound already"), "{error}");
            assert!(fs::read(&path).unwrap() == whole);
            assert_eq!(names(folder.path()), ["a.wav"]);
        }
        fs::write(&path, "notes").unwrap();
        assert!(write(&ramp(10)).is_err());
    }

    #[test]
    fn an_abandoned_file_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = WavWriter::create(&folder.path().join("a.wav"), 16_000).unwrap();
        writer.write(&ramp(40_000)).unwrap();
        assert_eq!(names(folder.path()).len(), 1);
        drop(writer);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn failures_say_what_to_do_and_leave_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let message = |error: Error| error.to_string();
        let missing = WavWriter::create(&folder.path().join("no/a.wav"), 16_000).err().unwrap();
        assert!(message(missing).contains("/no does not exist; make it"));
        let taken = folder.path().join("taken.wav");
        fs::create_dir(&taken).unwrap();
        let mut writer = WavWriter::create(&taken, 16_000).unwrap();
        writer.write(&ramp(10)).unwrap();
        let error = message(writer.finish().unwrap_err());
        assert!(error.contains("taken.wav: a folder has that name"), "{error}");
        assert_eq!(names(folder.path()), ["taken.wav"]);
    }

    /// `/dev/full` answers every write as a full disk does.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_explained() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let aside = files::aside(&path);
        std::os::unix::fs::symlink("/dev/full", &aside).unwrap();
        let error = WavWriter::create_aside(&path, aside, 16_000).err().unwrap().to_string();
        assert!(error.contains("a.wav: the disk is full: "), "{error}");
        assert!(names(folder.path()).is_empty());
    }
}
