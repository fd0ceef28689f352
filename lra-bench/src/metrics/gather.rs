//! Predictions of a split: rows on the device while it is evaluated, read once at the end.

use anyhow::{Result, bail};
use datasets::shape::Quantity;
use tch::{Device, Kind, Tensor};

use super::errors::Estimate;
use super::{Prediction, highest, softmax};
use crate::device_batch::DeviceBatch;

/// What [`read`] and [`read_values`] need of a batch with these `outputs` (B, K), of their kind and on
/// their device: (B, 2 + K) with length, class and logits, or (B, 1 + 2K) with length, targets and
/// values. Whole numbers here are far below 2^24, so they are exact. The host does not wait for the
/// device.
///
/// # Errors
/// If outputs and batch do not belong together.
pub fn rows(outputs: &Tensor, batch: &DeviceBatch) -> Result<Tensor> {
    let (count, kind) = (outputs.size()[0], outputs.kind());
    // Pairs: all first sequences, then all second ones.
    let lengths = match &batch.lengths {
        Some(lengths) => {
            lengths.f_view([-1, count])?.f_sum_dim_intlist([0i64].as_slice(), false, kind)?
        }
        None => {
            let [sequences, length, ..] = *batch.x.size().as_slice() else {
                bail!("a batch of shape {:?}", batch.x.size());
            };
            let all = (sequences / count * length) as f64;
            Tensor::f_full([count], all, (kind, outputs.device()))?
        }
    };
    let labels = batch.labels.f_to_kind(kind)?.f_view([count, -1])?;
    Ok(Tensor::f_cat(&[&lengths.unsqueeze(1), &labels, outputs], 1)?)
}

/// The predictions of classes of a whole split from its [`rows`], in their order. Waits for the device.
///
/// # Errors
/// If the device fails.
pub fn read(rows: &Tensor) -> Result<Vec<Prediction>> {
    let rows = host(rows)?.into_iter().enumerate();
    Ok(rows
        .map(|(index, row)| {
            let logits = &row[2..];
            let predicted = highest(logits);
            Prediction {
                index,
                label: row[1] as usize,
                predicted,
                confidence: softmax(logits)[predicted],
                length: row[0] as usize,
                logits: logits.to_vec(),
            }
        })
        .collect())
}

/// The predictions of these quantities of a whole split from its [`rows`], in their order. Waits for
/// the device.
///
/// # Errors
/// If the device fails.
pub fn read_values(rows: &Tensor, quantities: &[Quantity]) -> Result<Vec<Estimate>> {
    let rows = host(rows)?.into_iter().enumerate();
    let undo = |standardised: &[f64]| {
        let each = standardised.iter().zip(quantities);
        each.map(|(&value, quantity)| quantity.undo(value)).collect()
    };
    Ok(rows
        .map(|(index, row)| {
            let (targets, values) = row[1..].split_at(quantities.len());
            Estimate { index, targets: undo(targets), values: undo(values) }
        })
        .collect())
}

/// The rows of a matrix as numbers on the host, for which it waits for the device.
///
/// # Errors
/// If the device fails.
pub fn host(matrix: &Tensor) -> Result<Vec<Vec<f64>>> {
    let width = usize::try_from(matrix.size2()?.1)?;
    let numbers = matrix.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?.f_reshape([-1])?;
    let numbers: Vec<f64> = Vec::try_from(numbers)?;
    Ok(numbers.chunks_exact(width).map(<[f64]>::to_vec).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(labels: &[i64], sequences: i64, lengths: Option<&[i64]>) -> DeviceBatch {
        DeviceBatch {
            x: Tensor::zeros([sequences, 9], (Kind::Int64, Device::Cpu)),
            lengths: lengths.map(Tensor::from_slice),
            labels: Tensor::from_slice(labels),
            asked: labels.len() as i64,
        }
    }

    #[test]
    fn predictions_come_back_in_order_with_class_probability_and_length() {
        let logits = Tensor::from_slice2(&[[0.0f32, 2.0], [3.0, 0.0]]);
        let first = rows(&logits, &batch(&[1, 1], 2, None)).unwrap();
        let logits = Tensor::from_slice2(&[[5.0f32, 0.0], [0.0, 5.0]]);
        let second = rows(&logits, &batch(&[0, 0], 4, Some(&[4, 2, 3, 9]))).unwrap();
        // Softmax of two classes: 1 / (1 + exp(-margin)).
        let of = |margin: f64| 1.0 / (1.0 + (-margin).exp());
        let expected =
            [(1, 1, of(2.0), 9), (1, 0, of(3.0), 9), (0, 0, of(5.0), 7), (0, 1, of(5.0), 11)];
        let read = read(&Tensor::cat(&[first, second], 0)).unwrap();
        assert_eq!(read.len(), expected.len());
        for (i, (found, (label, predicted, confidence, length))) in
            read.iter().zip(expected).enumerate()
        {
            assert_eq!((found.index, found.label, found.length), (i, label, length));
            assert_eq!(found.predicted, predicted);
            assert!((found.confidence - confidence).abs() < 1e-6, "{found:?}");
        }
    }
}
