//! A batch on its way to the model's device.

use anyhow::Result;
use datasets::batch::{Batch, Sequences};
use tch::{Device, Kind, Tensor};
use training::upload::upload;

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

impl DeviceBatch {
    /// The batch on `device`, real values as `kind`. On CUDA the copies are pinned and do not block.
    ///
    /// # Errors
    /// If the device is out of memory.
    pub fn upload(batch: &Batch, device: Device, kind: Kind) -> Result<Self> {
        let length = batch.length as i64;
        let x = match &batch.sequences {
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
        let lengths = match &batch.lengths {
            None => None,
            Some(lengths) => Some(upload(&Tensor::f_from_slice(lengths)?, device)?),
        };
        let labels = upload(&Tensor::f_from_slice(&batch.labels)?, device)?;
        Ok(Self { x, lengths, labels })
    }
}
