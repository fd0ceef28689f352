//! The distribution of a tensor's values.

use anyhow::Result;
use tch::{Device, Kind, Tensor};
use tensorboard_proto::summary::HistogramProto;

/// As many bars as fit on TensorBoard's cards.
const BUCKETS: usize = 64;

pub(super) fn from_tensor(values: &Tensor) -> Result<HistogramProto> {
    let values = values.detach().f_reshape([-1])?.f_to_device(Device::Cpu)?;
    let values: Vec<f64> = Vec::try_from(values.f_to_kind(Kind::Double)?)?;
    let finite: Vec<f64> = values.into_iter().filter(|v| v.is_finite()).collect();
    Ok(from_values(&finite))
}

/// Buckets of equal width from the least to the greatest value.
fn from_values(values: &[f64]) -> HistogramProto {
    let min = values.iter().copied().fold(f64::INFINITY, f64::min);
    let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut histogram = HistogramProto::new();
    if values.is_empty() {
        return histogram;
    }
    let width = (max - min) / BUCKETS as f64;
    let mut counts = vec![0.0; if width > 0.0 { BUCKETS } else { 1 }];
    let last = counts.len() - 1;
    for value in values {
        let bucket = if width > 0.0 { ((value - min) / width) as usize } else { 0 };
        counts[bucket.min(last)] += 1.0;
    }
    let mut limits: Vec<f64> = (1..=counts.len()).map(|i| min + width * i as f64).collect();
    limits[last] = max;
    histogram.set_min(min);
    histogram.set_max(max);
    histogram.set_num(values.len() as f64);
    histogram.set_sum(values.iter().sum());
    histogram.set_sum_squares(values.iter().map(|v| v * v).sum());
    histogram.set_bucket_limit(limits);
    histogram.set_bucket(counts);
    histogram
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_is_finite() {
        let values = Tensor::from_slice(&[0.0, 64.0, 1.5, f64::NAN, f64::INFINITY]);
        let h = from_tensor(&values).unwrap();
        assert_eq!((h.min, h.max, h.num, h.sum), (0.0, 64.0, 3.0, 65.5));
        assert_eq!((h.bucket[0], h.bucket[1], h.bucket[63]), (1.0, 1.0, 1.0));
        assert_eq!(h.bucket.iter().sum::<f64>(), 3.0);
        assert_eq!((h.bucket_limit[0], h.bucket_limit[63]), (1.0, 64.0));
    }

    #[test]
    fn one_value_and_none_are_fine() {
        let h = from_values(&[2.0; 5]);
        assert_eq!((h.bucket.as_slice(), h.bucket_limit.as_slice()), (&[5.0][..], &[2.0][..]));
        assert_eq!(from_values(&[]).num, 0.0);
    }
}
