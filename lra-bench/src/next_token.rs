//! What comes next in a sequence of tokens: texts and pictures, with a state that is carried along
//! streams.
//!
//! Shapes: B batch, L length.

use anyhow::Result;
use datasets::metric::Metric;
use models::Network;
use s4_core::layer::{Pass, State};
use s4_core::state_dict::StateDict;
use tch::{Kind, Tensor};
use training::objective::StepOutput;

use crate::device_batch::DeviceBatch;
use crate::metrics::gather;

/// The state of a network along its streams.
#[derive(Debug, Default)]
pub(crate) struct Carried(State);

/// -log p of the tokens that a batch asks for, (B, L), and 0 where it is padded. Where the network
/// carries a state, it goes on from `carried`, or begins where that is empty.
pub(crate) fn nll(
    model: &Network,
    batch: &DeviceBatch,
    carried: Option<&mut Carried>,
    pass: &Pass,
) -> Result<Tensor> {
    let (rows, len) = batch.x.size2()?;
    let Some(carried) = carried else {
        return Ok(without_padding(&model.nll(&batch.x, &batch.labels, pass)?, batch));
    };
    let state = if carried.0.is_empty() {
        model.default_state(rows)?
    } else {
        // The last batch of an evaluation has the first rows alone.
        let row = |x: &Tensor| if x.dim() == 0 { x.shallow_clone() } else { x.narrow(0, 0, rows) };
        carried.0.iter().map(row).collect()
    };
    // What completes a group of pooled positions comes after everything that counts.
    let missing = (-len).rem_euclid(model.stride());
    let padded = |x: &Tensor| x.f_constant_pad_nd([0, missing]);
    let (x, next) = (padded(&batch.x)?, padded(&batch.labels)?);
    let (nll, next) = model.nll_with_state(&x, &next, &state, pass)?;
    carried.0 = next.iter().map(Tensor::detach).collect();
    Ok(without_padding(&nll.narrow(1, 0, len), batch))
}

/// nll (B, L) with 0 behind the end of each row.
fn without_padding(nll: &Tensor, batch: &DeviceBatch) -> Tensor {
    let Some(lengths) = &batch.lengths else { return nll.shallow_clone() };
    let positions = Tensor::arange(nll.size()[1], (Kind::Int64, nll.device()));
    nll.masked_fill(&positions.ge_tensor(&lengths.unsqueeze(1)), 0.0)
}

/// The rows of nll (B, L), without padding. Waits for the device.
pub(crate) fn rows(nll: &Tensor, batch: &DeviceBatch) -> Result<Vec<Vec<f64>>> {
    let mut rows = gather::host(nll)?;
    if let Some(lengths) = &batch.lengths {
        let lengths: Vec<i64> = Vec::try_from(lengths)?;
        rows.iter_mut().zip(lengths).for_each(|(row, length)| row.truncate(length as usize));
    }
    Ok(rows)
}

/// The loss, the mean over all tokens, and for each row the sum over its tokens and their number.
pub(crate) fn output(nll: &Tensor, batch: &DeviceBatch, with_rows: bool) -> Result<StepOutput> {
    let loss = nll.f_sum(nll.kind())? / batch.asked as f64;
    let rows = || -> Result<Tensor> {
        let sums = nll.f_sum_dim_intlist([1i64].as_slice(), false, Kind::Double)?;
        let counts = match &batch.lengths {
            Some(lengths) => lengths.f_to_kind(Kind::Double)?,
            None => sums.ones_like() * nll.size()[1] as f64,
        };
        Ok(Tensor::f_stack(&[sums, counts], 1)?)
    };
    let outputs = if with_rows { Some(rows()?) } else { None };
    Ok(StepOutput { loss, metrics: Vec::new(), samples: batch.asked, outputs })
}

/// The task's metric of all tokens of a split, from the [`output`] of each row.
pub(crate) fn figure(metric: &Metric, outputs: &Tensor) -> Result<(&'static str, f64)> {
    let sums = outputs.f_sum_dim_intlist([0i64].as_slice(), false, Kind::Double)?;
    let sums: Vec<f64> = Vec::try_from(sums)?;
    Ok((metric.name, metric.of_nats(sums[0] / sums[1])))
}

impl Carried {
    /// To be kept with a checkpoint.
    pub(crate) fn state_dict(&self) -> StateDict {
        let numbered = self.0.iter().enumerate();
        numbered.map(|(number, x)| (format!("{number:04}"), x.shallow_clone())).collect()
    }
}

impl From<&StateDict> for Carried {
    fn from(dict: &StateDict) -> Self {
        let mut tensors: Vec<_> = dict.iter().collect();
        tensors.sort_by(|a, b| a.0.cmp(b.0));
        Self(tensors.into_iter().map(|(_, tensor)| tensor.shallow_clone()).collect())
    }
}
