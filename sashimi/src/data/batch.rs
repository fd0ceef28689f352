//! Sequences of codes on their way from the audio to the model.

use std::ops::Range;
use std::sync::Arc;

use anyhow::Result;
use audio_data::windows::Windows;
use loader::Dataset;
use tch::{Device, Kind, Tensor};
use training::upload::upload;

use crate::baseline;

/// Sequences of codes as plain data: built on worker threads, made tensors by the trainer.
#[derive(Debug, Clone, PartialEq)]
pub struct CodeBatch {
    /// (B, L), each row padded with zeros.
    pub codes: Vec<i32>,
    /// Number of codes of each sequence, (B).
    pub lengths: Vec<usize>,
}

impl CodeBatch {
    /// A batch of these sequences, none of them empty.
    pub fn new(sequences: &[Vec<u16>]) -> Self {
        Self::of_length(sequences, 0)
    }

    /// The same, padded to at least `length` codes.
    fn of_length(sequences: &[Vec<u16>], length: usize) -> Self {
        let lengths: Vec<usize> = sequences.iter().map(Vec::len).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0).max(length);
        let mut codes = Vec::with_capacity(longest * sequences.len());
        for (number, sequence) in sequences.iter().enumerate() {
            codes.extend(sequence.iter().map(|&code| i32::from(code)));
            codes.resize((number + 1) * longest, 0);
        }
        Self { codes, lengths }
    }

    /// All of it as bytes, for a fingerprint.
    pub fn bytes(&self) -> Vec<u8> {
        self.codes.iter().flat_map(|code| code.to_le_bytes()).collect()
    }

    /// Moves the batch to `device`. On CUDA the copies are pinned and do not block.
    ///
    /// # Errors
    /// If host or device are out of memory.
    pub fn to_device(&self, device: Device) -> Result<DeviceBatch> {
        let codes = upload(&Tensor::f_from_slice(&self.codes)?, device)?;
        let codes = codes.f_to_kind(Kind::Int64)?.f_view([self.size() as i64, -1])?;
        let lengths: Vec<i64> = self.lengths.iter().map(|&length| length as i64).collect();
        let lengths = upload(&Tensor::f_from_slice(&lengths)?, device)?;
        Ok(DeviceBatch { codes, lengths, count: self.count() })
    }

    /// Number of sequences, B.
    pub fn size(&self) -> usize {
        self.lengths.len()
    }

    /// Number of codes in all sequences together.
    pub fn count(&self) -> usize {
        self.lengths.iter().sum()
    }
}

/// A batch on the model's device.
#[derive(Debug)]
pub struct DeviceBatch {
    /// (B, L) int64, zeros behind each sequence's codes.
    pub codes: Tensor,
    /// Number of codes of each sequence, (B) int64.
    pub lengths: Tensor,
    /// Number of codes in all sequences together.
    pub count: usize,
}

/// Some windows of the audio: what is trained or evaluated on.
#[derive(Debug)]
pub struct Sequences {
    windows: Arc<Windows>,
    indices: Vec<usize>,
}

impl Sequences {
    /// All windows.
    pub fn all(windows: Windows) -> Self {
        Self { indices: (0..windows.len()).collect(), windows: Arc::new(windows) }
    }

    /// All windows, the longest first: batches of similar lengths waste little on padding.
    pub fn by_length(windows: Windows) -> Self {
        let mut all = Self::all(windows);
        all.indices.sort_by_key(|&index| std::cmp::Reverse(all.windows.length(index)));
        all
    }

    /// At most `count` of the windows, evenly taken.
    pub fn evenly(windows: Windows, count: Option<usize>) -> Self {
        let all = Self::all(windows);
        let total = all.indices.len();
        let count = count.unwrap_or(total).min(total);
        Self { indices: (0..count).map(|i| i * total / count).collect(), ..all }
    }
}

impl baseline::Sequences for Sequences {
    fn count(&self) -> usize {
        self.indices.len()
    }

    fn codes(&self, index: usize, out: &mut Vec<u16>) -> Result<()> {
        out.clear();
        self.windows.codes(self.indices[index], out)
    }
}

impl Dataset for Sequences {
    type Batch = CodeBatch;

    fn len(&self) -> usize {
        self.indices.len()
    }

    fn length(&self, index: usize) -> usize {
        self.windows.length(self.indices[index])
    }

    fn batch(&self, indices: &[usize]) -> Result<CodeBatch> {
        self.rows(indices, 0..indices.len())
    }

    fn rows(&self, indices: &[usize], rows: Range<usize>) -> Result<CodeBatch> {
        let longest = indices.iter().map(|&index| self.length(index)).max().unwrap_or(0);
        let mut sequences = vec![Vec::new(); rows.len()];
        for (codes, &index) in sequences.iter_mut().zip(&indices[rows]) {
            self.windows.codes(self.indices[index], codes)?;
        }
        Ok(CodeBatch::of_length(&sequences, longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shorter_sequences_are_filled_up() {
        let batch = CodeBatch::new(&[vec![1, 2, 3], vec![4]]);
        assert_eq!(batch.codes, [1, 2, 3, 4, 0, 0]);
        assert_eq!(batch.lengths, [3, 1]);
        assert_eq!((batch.size(), batch.count()), (2, 4));
    }
}
