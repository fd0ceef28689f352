//! Event files that TensorBoard reads: the only module that knows their format.
//!
//! Messages are `tensorboard-proto`'s and the record framing is `tensorboard-rs`'s. Its
//! `SummaryWriter` is not used: it writes from a thread that panics on I/O errors.

mod charts;
mod histogram;
mod hparams;
mod image;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use protobuf::Message;
use tch::Tensor;
use tensorboard_proto::event::{Event, SessionLog, SessionLog_SessionStatus};
use tensorboard_proto::summary::{
    Summary, Summary_Audio, Summary_Value, SummaryMetadata, SummaryMetadata_PluginData,
};
use tensorboard_proto::tensor::TensorProto;
use tensorboard_proto::types::DataType;
use tensorboard_rs::record_writer::RecordWriter;

use crate::show::Sound;
pub(crate) use charts::Heading;
pub use hparams::Column;
use program::files;

/// Writes one event file. What is added is kept in memory until [`flush`](Self::flush).
#[derive(Debug)]
pub struct EventWriter {
    path: PathBuf,
    file: File,
    /// Bytes of the file that are whole records.
    written: u64,
    pending: Vec<u8>,
}

impl EventWriter {
    /// A new event file in `folder`, beside those that are there. `first_step` is the first step
    /// that will be written: TensorBoard drops what older files say about it and later ones, so
    /// that a resumed run shows one curve.
    ///
    /// # Errors
    /// If the file cannot be made.
    pub fn create(folder: &Path, first_step: u64) -> Result<Self> {
        let path = next_file(folder);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(files::cannot("write", &path))?;
        let mut writer = Self { path, file, written: 0, pending: Vec::new() };
        let mut version = Event::new();
        version.set_file_version("brain.Event:2".to_owned());
        writer.add(version)?;
        writer.restart(first_step)?;
        writer.flush()?;
        Ok(writer)
    }

    /// Says that the run goes on from `first_step`: later steps that were written are void.
    ///
    /// # Errors
    /// If the message cannot be encoded.
    pub fn restart(&mut self, first_step: u64) -> Result<()> {
        let mut log = SessionLog::new();
        log.set_status(SessionLog_SessionStatus::START);
        let mut event = Event::new();
        event.set_step(first_step as i64);
        event.set_session_log(log);
        self.add(event)
    }

    /// Adds a number.
    ///
    /// # Errors
    /// If the message cannot be encoded.
    pub fn scalar(&mut self, step: u64, tag: &str, value: f64) -> Result<()> {
        let mut summary = tagged(tag);
        summary.set_simple_value(value as f32);
        self.summary(step, summary)
    }

    /// Adds Markdown text.
    ///
    /// # Errors
    /// If the message cannot be encoded.
    pub fn text(&mut self, step: u64, tag: &str, text: &str) -> Result<()> {
        let mut tensor = TensorProto::new();
        tensor.set_dtype(DataType::DT_STRING);
        tensor.mut_string_val().push(text.as_bytes().to_vec());
        tensor.mut_tensor_shape();
        let mut summary = tagged(tag);
        summary.set_metadata(plugin("text", Vec::new()));
        summary.set_tensor(tensor);
        self.summary(step, summary)
    }

    /// Adds the distribution of `values`, of any shape; NaN and infinite ones are left out.
    ///
    /// # Errors
    /// If `values` cannot be read as numbers.
    pub fn histogram(&mut self, step: u64, tag: &str, values: &Tensor) -> Result<()> {
        let mut summary = tagged(tag);
        summary
            .set_histo(histogram::from_tensor(values).with_context(|| format!("histogram {tag}"))?);
        self.summary(step, summary)
    }

    /// Adds a picture, as [`Show::picture`](crate::show::Show::picture).
    ///
    /// # Errors
    /// If its shape is none of a picture.
    pub fn picture(&mut self, step: u64, tag: &str, pixels: &Tensor) -> Result<()> {
        let mut summary = tagged(tag);
        summary.set_image(image::from_tensor(pixels).with_context(|| format!("picture {tag}"))?);
        self.summary(step, summary)
    }

    /// Adds a sound.
    ///
    /// # Errors
    /// If the message cannot be encoded.
    pub fn sound(&mut self, step: u64, tag: &str, sound: &Sound) -> Result<()> {
        let mut audio = Summary_Audio::new();
        audio.set_sample_rate(sound.rate as f32);
        audio.set_num_channels(i64::from(sound.channels));
        audio.set_length_frames(sound.frames as i64);
        audio.set_encoded_audio_string(sound.wav.clone());
        audio.set_content_type("audio/wav".to_owned());
        let mut summary = tagged(tag);
        summary.set_audio(audio);
        self.summary(step, summary)
    }

    /// Lays out the CUSTOM SCALARS tab: under each heading charts, each with the curves of all tags
    /// that match its regular expression.
    ///
    /// # Errors
    /// If the message cannot be encoded.
    pub(crate) fn charts(&mut self, step: u64, headings: &[Heading]) -> Result<()> {
        self.summary(step, charts::layout(headings)?)
    }

    /// Says which settings and which scalars the HPARAMS tab has as columns. TensorBoard believes the
    /// first run that says so, for all of them; without this it shows every scalar there is.
    ///
    /// # Errors
    /// If the message cannot be encoded.
    pub fn columns<'a>(
        &mut self,
        settings: impl IntoIterator<Item = Column<'a>>,
        results: impl IntoIterator<Item = &'a str>,
    ) -> Result<()> {
        self.summary(0, hparams::columns(settings, results)?)
    }

    /// Makes the run a row of the HPARAMS tab, with these `settings`. Scalars join it as its
    /// results.
    ///
    /// # Errors
    /// If the message cannot be encoded.
    pub fn hparams<'a>(
        &mut self,
        settings: impl IntoIterator<Item = (&'a str, &'a toml::Value)>,
    ) -> Result<()> {
        self.summary(0, hparams::start(settings, now())?)
    }

    /// Says in the HPARAMS tab that the run is complete. TensorBoard believes the first such
    /// message, so a run that may be resumed must not send one.
    ///
    /// # Errors
    /// If the message cannot be encoded.
    pub fn completed(&mut self) -> Result<()> {
        self.summary(0, hparams::end(now())?)
    }

    /// Writes what was added. After a failure it is dropped, and the file ends in a whole record,
    /// so that it stays readable and later calls can go on.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn flush(&mut self) -> Result<()> {
        let pending = std::mem::take(&mut self.pending);
        match self.file.write_all(&pending) {
            Ok(()) => {
                self.written += pending.len() as u64;
                Ok(())
            }
            Err(error) => {
                use std::io::{Seek, SeekFrom};
                let _ = self.file.set_len(self.written);
                let _ = self.file.seek(SeekFrom::Start(self.written));
                Err(files::cannot_write(&self.path, pending.len() as u64)(error))
            }
        }
    }

    fn summary(&mut self, step: u64, value: Summary_Value) -> Result<()> {
        let mut summary = Summary::new();
        summary.mut_value().push(value);
        let mut event = Event::new();
        event.set_step(step as i64);
        event.set_summary(summary);
        self.add(event)
    }

    fn add(&mut self, mut event: Event) -> Result<()> {
        event.set_wall_time(now());
        let bytes = event.write_to_bytes().context("cannot encode a TensorBoard event")?;
        RecordWriter::new(&mut self.pending).write(&bytes)?;
        Ok(())
    }
}

fn tagged(tag: &str) -> Summary_Value {
    let mut value = Summary_Value::new();
    value.set_tag(tag.to_owned());
    value
}

fn plugin(name: &str, content: Vec<u8>) -> SummaryMetadata {
    let mut data = SummaryMetadata_PluginData::new();
    data.set_plugin_name(name.to_owned());
    data.set_content(content);
    let mut metadata = SummaryMetadata::new();
    metadata.set_plugin_data(data);
    metadata
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |elapsed| elapsed.as_secs_f64())
}

/// TensorBoard reads the files of a folder in the order of their names, and never goes back: the
/// new name must come last, even when two processes start within one second.
fn next_file(folder: &Path) -> PathBuf {
    const PREFIX: &str = "events.out.tfevents.";
    let newest = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            name.strip_prefix(PREFIX)?.split('.').next()?.parse::<u64>().ok()
        })
        .max();
    let seconds = newest.map_or(0, |newest| newest + 1).max(now() as u64);
    folder.join(format!("{PREFIX}{seconds:010}.{}", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_file_sorts_last() {
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<PathBuf> =
            (0..3).map(|_| EventWriter::create(folder.path(), 0).unwrap().path.clone()).collect();
        assert!(names.is_sorted() && names[0] != names[1], "{names:?}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error_and_not_a_panic() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = EventWriter::create(folder.path(), 0).unwrap();
        writer.scalar(1, "a", 1.0).unwrap();
        let healthy = std::mem::replace(
            &mut writer.file,
            OpenOptions::new().write(true).open("/dev/full").unwrap(),
        );
        let message = writer.flush().unwrap_err().to_string();
        assert!(message.contains("the disk is full"), "{message}");
        // Room again: what follows is written.
        writer.file = healthy;
        writer.scalar(2, "a", 1.0).unwrap();
        writer.flush().unwrap();
        assert_eq!(fs::metadata(&writer.path).unwrap().len(), writer.written);
    }
}
