//! Tokens that are asked for at the last positions of sequences: what they cost, and which are right.
//!
//! Shapes: B batch, P positions that are asked about, K different tokens.

use anyhow::Result;
use tch::{Kind, Reduction, Tensor};
use training::objective::StepOutput;

use crate::device_batch::DeviceBatch;

/// The loss of logits (B, P, K), the mean over all tokens, how many are right, and for each row the sum of
/// -log p over its tokens and how many of them are right, (B, 2).
pub(crate) fn output(logits: &Tensor, batch: &DeviceBatch, with_rows: bool) -> Result<StepOutput> {
    let labels = &batch.labels;
    let nll = logits
        .f_flatten(0, 1)?
        .f_cross_entropy_loss::<Tensor>(&labels.f_flatten(0, 1)?, None, Reduction::None, -100, 0.0)?
        .f_view_as(labels)?;
    let right = logits.f_argmax(-1, false)?.f_eq_tensor(labels)?;
    let rows = || -> Result<Tensor> {
        let sum = |x: &Tensor| x.f_sum_dim_intlist([1i64].as_slice(), false, Kind::Double);
        Ok(Tensor::f_stack(&[sum(&nll)?, sum(&right)?], 1)?)
    };
    let outputs = if with_rows { Some(rows()?) } else { None };
    Ok(StepOutput {
        loss: nll.f_mean(nll.kind())?,
        metrics: vec![("accuracy", right.f_sum(Kind::Float)?)],
        samples: batch.asked,
        outputs,
    })
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    /// Against sums written out: of two rows of two tokens each, one token is wrong.
    #[test]
    fn every_token_that_is_asked_for_counts_once() {
        let scores = [[[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]], [[0.0, 0.0, 2.0], [2.0, 0.0, 0.0]]];
        let labels = [[0i64, 1], [2, 1]];
        let flat: Vec<f64> = scores.iter().flatten().flatten().copied().collect();
        let batch = DeviceBatch {
            x: Tensor::zeros([2, 5], (Kind::Int64, Device::Cpu)),
            lengths: None,
            labels: Tensor::from_slice2(&labels),
            asked: 4,
        };
        let logits = Tensor::from_slice(&flat).view([2, 2, 3]);
        let found = output(&logits, &batch, true).unwrap();
        let nll = |row: usize, at: usize| {
            let scores: &[f64; 3] = &scores[row][at];
            let sum: f64 = scores.iter().map(|score| score.exp()).sum();
            sum.ln() - scores[labels[row][at] as usize]
        };
        let rows = [nll(0, 0) + nll(0, 1), nll(1, 0) + nll(1, 1)];
        assert!((found.loss.double_value(&[]) - (rows[0] + rows[1]) / 4.0).abs() < 1e-12);
        assert_eq!((found.metrics[0].1.double_value(&[]), found.samples), (3.0, 4));
        let outputs = found.outputs.unwrap();
        for (row, (nll, right)) in rows.into_iter().zip([2.0, 1.0]).enumerate() {
            assert!((outputs.double_value(&[row as i64, 0]) - nll).abs() < 1e-12);
            assert_eq!(outputs.double_value(&[row as i64, 1]), right);
        }
    }
}
