//! A batch on its way to the model's device.

use anyhow::{Result, ensure};
use datasets::batch::{Batch, Labels, Sequences};
use datasets::shape::Quantity;
use tch::{Device, Kind, Tensor};
use training::upload::upload;

/// Padded sequences get a multiple of this many positions on CUDA, so that few shapes occur and steps
/// can be recorded. A model passes padding over, but for the statistics of batch norm in training.
const CUDA_LENGTHS: i64 = 256;

/// A batch on the model's device.
#[derive(Debug)]
pub struct DeviceBatch {
    /// (B, L) int64 tokens or (B, L, features) values.
    pub x: Tensor,
    /// (B) int64, or none where all positions are valid.
    pub lengths: Option<Tensor>,
    /// (B) int64 classes, (B, positions) int64 last tokens, (B, targets) or of series (B, steps · targets)
    /// standardised values, or the token that follows each position of x, (B, L) int64.
    pub labels: Tensor,
    /// Answers that are asked for: examples, or tokens, without padding.
    pub asked: i64,
}

impl DeviceBatch {
    /// The batch on `device`, real values as `kind`, with its values, where its labels are those,
    /// standardised as the `quantities` that they are of. On CUDA the copies are pinned and do not block.
    ///
    /// # Errors
    /// If there are values of other quantities, or the device is out of memory.
    pub fn upload(
        batch: &Batch,
        quantities: &[Quantity],
        device: Device,
        kind: Kind,
    ) -> Result<Self> {
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
        let x = match device {
            Device::Cuda(_) if lengths.is_some() && batch.labels != Labels::Next => {
                padded(&x, CUDA_LENGTHS)?
            }
            _ => x,
        };
        let rows = x.size()[0];
        let labels = match &batch.labels {
            Labels::Next => return Self::next(&x, lengths, batch.lengths.as_deref()),
            Labels::Classes(classes) => Tensor::f_from_slice(classes)?,
            Labels::LastTokens { tokens, positions } => {
                Tensor::f_from_slice(tokens)?.f_view([-1, *positions as i64])?
            }
            Labels::Values { values, targets } => {
                ensure!(
                    !quantities.is_empty() && targets.is_multiple_of(quantities.len()),
                    "{targets} values an example, expected {} or so many at each step",
                    quantities.len()
                );
                let each = values.iter().zip(quantities.iter().cycle());
                let standardised: Vec<f64> = each.map(|(&x, q)| q.standardise(x)).collect();
                Tensor::f_from_slice(&standardised)?
                    .f_to_kind(kind)?
                    .f_view([-1, *targets as i64])?
            }
        };
        let asked = match &batch.labels {
            Labels::LastTokens { tokens, .. } => tokens.len() as i64,
            _ => labels.size().first().copied().unwrap_or(rows),
        };
        let labels = upload(&labels, device)?;
        Ok(Self { x, lengths, labels, asked })
    }

    /// Sequences that have one token more than is asked for.
    fn next(tokens: &Tensor, lengths: Option<Tensor>, on_host: Option<&[i64]>) -> Result<Self> {
        let (rows, length) = tokens.size2()?;
        ensure!(length > 1, "there is no token to ask for");
        let asked = on_host.map_or(rows * (length - 1), |all| all.iter().sum::<i64>() - rows);
        // Where no row is shorter, nothing is padding.
        let lengths = lengths.filter(|_| asked < rows * (length - 1)).map(|all| all - 1);
        let (x, labels) = (tokens.narrow(1, 0, length - 1), tokens.narrow(1, 1, length - 1));
        Ok(Self { x, lengths, labels, asked })
    }
}

/// x (B, L) or (B, L, features) with zeros after its end, up to a multiple of `step` positions.
fn padded(x: &Tensor, step: i64) -> Result<Tensor> {
    let missing = (-x.size()[1]).rem_euclid(step);
    let pad: &[i64] = if x.dim() == 3 { &[0, 0, 0, missing] } else { &[0, missing] };
    Ok(if missing == 0 { x.shallow_clone() } else { x.f_constant_pad_nd(pad)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_completed() {
        for (size, completed) in
            [(vec![2, 3], vec![2, 4]), (vec![2, 4], vec![2, 4]), (vec![1, 5, 2], vec![1, 8, 2])]
        {
            let x = Tensor::ones(&size, (Kind::Int64, Device::Cpu));
            let y = padded(&x, 4).unwrap();
            assert_eq!(y.size(), completed);
            assert_eq!(y.narrow(1, 0, size[1]), x);
            assert_eq!(i64::try_from(y.sum(Kind::Int64)).unwrap(), size.iter().product::<i64>());
        }
    }
}
