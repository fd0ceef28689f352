//! Examples on their way from a data file to the model.

use anyhow::Result;
use tch::{Device, Kind, Tensor};
use training::upload::upload;

/// The sequences of a batch, as plain data: built on worker threads, made tensors by the trainer.
#[derive(Debug, Clone, PartialEq)]
pub enum Sequences {
    /// Bytes that stand for value / 255, (B, L).
    Bytes(Vec<u8>),
    /// Real values, (B, L, features).
    Values {
        /// All values, features fastest.
        values: Vec<f32>,
        /// Entries a position.
        features: usize,
    },
    /// Token numbers, (B, L).
    Tokens(Vec<i64>),
}

/// Examples of a classification task.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The inputs, all padded to `length`. Pairs: all first sequences, then all second ones.
    pub sequences: Sequences,
    /// Positions a sequence, L.
    pub length: usize,
    /// Valid positions of each sequence; absent: all.
    pub lengths: Option<Vec<i64>>,
    /// The class of each example.
    pub labels: Vec<i64>,
}

/// A batch on the model's device.
#[derive(Debug)]
pub struct DeviceBatch {
    /// (B, L) int64 tokens or (B, L, features) values.
    pub x: Tensor,
    /// (B) int64, or none where all positions are valid.
    pub lengths: Option<Tensor>,
    /// (B) int64.
    pub labels: Tensor,
}

impl Batch {
    /// Moves the batch to `device`, real values as `kind`. On CUDA the copies are pinned and do
    /// not block.
    ///
    /// # Errors
    /// If the device is out of memory.
    pub fn to_device(&self, device: Device, kind: Kind) -> Result<DeviceBatch> {
        let length = self.length as i64;
        let x = match &self.sequences {
            Sequences::Bytes(bytes) => {
                let x = upload(&Tensor::f_from_slice(bytes)?, device)?;
                x.view([-1, length, 1]).f_to_kind(kind)? / 255.0
            }
            Sequences::Values { values, features } => {
                let x = upload(&Tensor::f_from_slice(values)?, device)?;
                x.view([-1, length, *features as i64]).f_to_kind(kind)?
            }
            Sequences::Tokens(tokens) => {
                upload(&Tensor::f_from_slice(tokens)?, device)?.view([-1, length])
            }
        };
        let lengths = match &self.lengths {
            None => None,
            Some(lengths) => Some(upload(&Tensor::f_from_slice(lengths)?, device)?),
        };
        let labels = upload(&Tensor::f_from_slice(&self.labels)?, device)?;
        Ok(DeviceBatch { x, lengths, labels })
    }
}
