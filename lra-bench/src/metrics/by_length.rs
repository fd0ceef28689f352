//! Accuracy by the length of the examples.

use serde::Serialize;

use super::Prediction;

/// Into how many parts of about the same size the examples are cut.
const PARTS: usize = 4;

/// The examples with lengths in a range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LengthBucket {
    /// Shortest length in it.
    pub from: usize,
    /// Longest length in it.
    pub to: usize,
    /// Number of examples.
    pub count: usize,
    /// Share of them that is classified right.
    pub accuracy: f64,
}

/// Accuracy in the quarters of the lengths, short ones first; empty where all are of one length.
/// Examples of one length are never parted, so that a quarter may be larger than another.
pub fn by_length(predictions: &[Prediction]) -> Vec<LengthBucket> {
    let mut sorted: Vec<&Prediction> = predictions.iter().collect();
    sorted.sort_by_key(|prediction| prediction.length);
    let (Some(first), Some(last)) = (sorted.first(), sorted.last()) else { return Vec::new() };
    if first.length == last.length {
        return Vec::new();
    }
    let mut buckets = Vec::new();
    let mut rest = sorted.as_slice();
    for part in 1..=PARTS {
        let taken = sorted.len() - rest.len();
        let wanted = (sorted.len() * part / PARTS).saturating_sub(taken);
        // To the end of the examples of that length.
        let Some(longest) = wanted.checked_sub(1).map(|at| rest[at].length) else { continue };
        let (bucket, others) =
            rest.split_at(rest.partition_point(|prediction| prediction.length <= longest));
        rest = others;
        let correct = bucket.iter().filter(|prediction| prediction.is_correct()).count();
        buckets.push(LengthBucket {
            from: bucket[0].length,
            to: longest,
            count: bucket.len(),
            accuracy: correct as f64 / bucket.len() as f64,
        });
    }
    buckets
}

/// For a terminal: a line a bucket.
pub fn table(buckets: &[LengthBucket]) -> String {
    let range = |bucket: &LengthBucket| format!("{}-{}", bucket.from, bucket.to);
    let width = buckets.iter().map(|bucket| range(bucket).len()).max().unwrap_or(0).max(6);
    let mut text = format!("{:>width$}  examples  accuracy\n", "length");
    for bucket in buckets {
        let (range, count) = (range(bucket), bucket.count);
        text += &format!("{range:>width$}  {count:>8}  {:7.2}%\n", 100.0 * bucket.accuracy);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prediction(length: usize, correct: bool) -> Prediction {
        Prediction { predicted: usize::from(!correct), length, ..Prediction::default() }
    }

    #[test]
    fn quarters_go_from_short_to_long() {
        // 1 to 40, right up to 20, from long to short.
        let predictions: Vec<_> =
            (1..=40).rev().map(|length| prediction(length, length <= 20)).collect();
        let buckets = by_length(&predictions);
        let ranges: Vec<_> = buckets.iter().map(|b| (b.from, b.to, b.count, b.accuracy)).collect();
        let expected = [(1, 10, 10, 1.0), (11, 20, 10, 1.0), (21, 30, 10, 0.0), (31, 40, 10, 0.0)];
        assert_eq!(ranges, expected);
    }

    #[test]
    fn examples_of_one_length_stay_together() {
        let lengths = [5, 5, 5, 5, 5, 5, 5, 9];
        let predictions: Vec<_> = lengths.iter().map(|&l| prediction(l, true)).collect();
        let counts: Vec<_> =
            by_length(&predictions).iter().map(|b| (b.from, b.to, b.count)).collect();
        assert_eq!(counts, [(5, 5, 7), (9, 9, 1)]);
        assert!(by_length(&predictions[..7]).is_empty(), "lengths do not differ");
        assert!(by_length(&[]).is_empty());
    }
}
