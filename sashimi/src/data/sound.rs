//! Sounds on their way from the audio to a model that takes them as they are: samples in [-1, 1], and
//! mel spectrograms of them.

use std::sync::Arc;

use anyhow::Result;
use audio_data::windows::Windows;
use dsp::mel::Mel;
use loader::Dataset;
use tch::{Device, Kind, Tensor};
use training::upload::upload;

/// Sounds as plain data.
#[derive(Debug, Clone, PartialEq)]
pub struct SoundBatch {
    /// (B, S), each row filled up with silence.
    pub samples: Vec<f32>,
    /// (B, M, F), empty where the model takes none.
    pub mel: Vec<f32>,
    /// Frames F.
    frames: usize,
    /// By how many samples a cut may begin later than the sound, (B).
    slack: Vec<i64>,
    /// Number of each sound in its split, (B).
    numbers: Vec<i64>,
}

impl SoundBatch {
    /// `sounds` of one length, as they are.
    pub fn new(sounds: &[Vec<f32>]) -> Self {
        Self {
            samples: sounds.concat(),
            mel: Vec::new(),
            frames: 0,
            slack: vec![0; sounds.len()],
            numbers: (0..sounds.len() as i64).collect(),
        }
    }

    /// All of it as bytes, for a fingerprint.
    pub fn bytes(&self) -> Vec<u8> {
        self.samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
    }

    /// Moves the batch to `device`, as `kind`. On CUDA the copies are pinned and do not block.
    ///
    /// # Errors
    /// If host or device are out of memory.
    pub fn to_device(&self, device: Device, kind: Kind) -> Result<DeviceSounds> {
        let size = self.numbers.len() as i64;
        let floats = |values: &[f32], shape: &[i64]| -> Result<Tensor> {
            let values = upload(&Tensor::f_from_slice(values)?, device)?;
            Ok(values.f_to_kind(kind)?.f_view(shape)?)
        };
        let mel = match self.frames {
            0 => None,
            frames => Some(floats(&self.mel, &[size, -1, frames as i64])?),
        };
        Ok(DeviceSounds {
            samples: floats(&self.samples, &[size, -1])?,
            mel,
            slack: upload(&Tensor::f_from_slice(&self.slack)?, device)?,
            numbers: self.numbers.clone(),
        })
    }
}

/// A batch on the model's device.
#[derive(Debug)]
pub struct DeviceSounds {
    /// (B, S).
    pub samples: Tensor,
    /// Their mel spectrograms (B, M, F), where the model takes them.
    pub mel: Option<Tensor>,
    /// By how many samples a cut may begin later than the sound, (B) int64.
    pub slack: Tensor,
    /// Number of each sound in its split, (B), on the host.
    pub numbers: Vec<i64>,
}

/// Sounds of a split.
#[derive(Debug)]
pub struct Sounds {
    windows: Windows,
    indices: Vec<usize>,
    mel: Option<Arc<Mel>>,
    /// Samples of a cut.
    length: usize,
    /// Samples S of every row.
    row: usize,
}

impl Sounds {
    /// At most `count` of the windows, evenly taken, of which cuts of `length` samples are wanted.
    pub fn new(
        windows: Windows,
        count: Option<usize>,
        length: usize,
        mel: Option<Arc<Mel>>,
    ) -> Self {
        let total = windows.len();
        let count = count.unwrap_or(total).min(total);
        let indices = (0..count).map(|i| i * total / count).collect();
        let row = windows.longest().max(length);
        Self { windows, indices, mel, length, row }
    }
}

impl Dataset for Sounds {
    type Batch = SoundBatch;

    fn len(&self) -> usize {
        self.indices.len()
    }

    fn batch(&self, indices: &[usize]) -> Result<SoundBatch> {
        let mut batch = SoundBatch {
            samples: Vec::with_capacity(indices.len() * self.row),
            mel: Vec::new(),
            frames: self.mel.as_ref().map_or(0, |mel| mel.frames(self.row)),
            slack: Vec::new(),
            numbers: Vec::new(),
        };
        for (place, &index) in indices.iter().enumerate() {
            let window = self.indices[index];
            self.windows.samples(window, &mut batch.samples)?;
            batch.samples.resize((place + 1) * self.row, 0.0);
            if let Some(mel) = &self.mel {
                let rows = mel.spectrogram(&batch.samples[place * self.row..])?;
                batch.mel.extend(rows.iter().map(|&x| x as f32));
            }
            batch.slack.push(self.windows.length(window).saturating_sub(self.length) as i64);
            batch.numbers.push(index as i64);
        }
        Ok(batch)
    }
}
