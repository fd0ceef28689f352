//! Predictions kept on the device until somebody asks for them.

use anyhow::{Result, bail};
use tch::{Device, Kind, Tensor};

use super::Prediction;
use crate::device_batch::DeviceBatch;

/// The predictions of the batches so far.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Of each batch (4, B) float32 on the device: class, predicted class, its probability, length.
    /// Whole numbers here are far below 2^24, so they are exact.
    batches: Vec<Tensor>,
}

impl Gathered {
    /// Adds a batch with its scores (B, classes). The host does not wait for the device.
    ///
    /// # Errors
    /// If scores and batch do not belong together.
    pub fn add(&mut self, scores: &Tensor, batch: &DeviceBatch) -> Result<()> {
        let _guard = tch::no_grad_guard();
        let (confidence, predicted) = scores.f_softmax(-1, Kind::Float)?.f_max_dim(1, false)?;
        let count = scores.size()[0];
        // Pairs: all first sequences, then all second ones.
        let lengths = match &batch.lengths {
            Some(lengths) => lengths.f_view([-1, count])?.f_sum_dim_intlist(
                [0i64].as_slice(),
                false,
                Kind::Float,
            )?,
            None => {
                let [sequences, length, ..] = *batch.x.size().as_slice() else {
                    bail!("a batch of shape {:?}", batch.x.size());
                };
                let all = (sequences / count * length) as f64;
                confidence.f_full_like(all)?
            }
        };
        let rows = [
            batch.labels.f_to_kind(Kind::Float)?,
            predicted.f_to_kind(Kind::Float)?,
            confidence,
            lengths,
        ];
        self.batches.push(Tensor::f_stack(&rows, 0)?);
        Ok(())
    }

    /// What was gathered, in the order of the examples. Waits for the device.
    ///
    /// # Errors
    /// If the device fails.
    pub fn read(&self) -> Result<Vec<Prediction>> {
        if self.batches.is_empty() {
            return Ok(Vec::new());
        }
        let rows = Tensor::f_cat(&self.batches, 1)?.f_transpose(0, 1)?.f_contiguous()?;
        let numbers: Vec<f32> = Vec::try_from(rows.f_to_device(Device::Cpu)?.f_view([-1])?)?;
        let predictions = numbers.chunks_exact(4).map(|row| Prediction {
            label: row[0] as usize,
            predicted: row[1] as usize,
            confidence: row[2].into(),
            length: row[3] as usize,
        });
        Ok(predictions.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(labels: &[i64], sequences: i64, lengths: Option<&[i64]>) -> DeviceBatch {
        DeviceBatch {
            x: Tensor::zeros([sequences, 9], (Kind::Int64, Device::Cpu)),
            lengths: lengths.map(Tensor::from_slice),
            labels: Tensor::from_slice(labels),
        }
    }

    #[test]
    fn predictions_come_back_in_order_with_class_probability_and_length() {
        let mut gathered = Gathered::default();
        assert_eq!(gathered.read().unwrap(), []);
        let scores = Tensor::from_slice2(&[[0.0f32, 2.0], [3.0, 0.0]]);
        gathered.add(&scores, &batch(&[1, 1], 2, None)).unwrap();
        let scores = Tensor::from_slice2(&[[5.0f32, 0.0], [0.0, 5.0]]);
        gathered.add(&scores, &batch(&[0, 0], 4, Some(&[4, 2, 3, 9]))).unwrap();
        // Softmax of two classes: 1 / (1 + exp(-margin)).
        let of = |margin: f64| 1.0 / (1.0 + (-margin).exp());
        let expected =
            [(1, 1, of(2.0), 9), (1, 0, of(3.0), 9), (0, 0, of(5.0), 7), (0, 1, of(5.0), 11)];
        let read = gathered.read().unwrap();
        assert_eq!(read.len(), expected.len());
        for (found, (label, predicted, confidence, length)) in read.iter().zip(expected) {
            assert_eq!((found.label, found.predicted, found.length), (label, predicted, length));
            assert!((found.confidence - confidence).abs() < 1e-6, "{found:?}");
        }
    }
}
