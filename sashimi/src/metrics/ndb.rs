//! Number of statistically different bins (Richardson and Weiss 2018): the data are divided into
//! cells by k-means, and a cell is different where the generated sounds fall into it more often or
//! less often than chance allows.

use anyhow::{Result, ensure};
use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

/// Cells in the official evaluation.
pub const CELLS: usize = 50;

/// Of the two-sided test of two proportions at 5 %.
const CRITICAL: f64 = 1.959_963_984_540_054;
/// Rounds of k-means at most.
const ROUNDS: usize = 300;

/// Cells around centres, and how many of the data are in each.
#[derive(Debug)]
pub struct Cells {
    centres: Tensor,
    counts: Vec<usize>,
}

impl Cells {
    /// At most `cells` cells of `data` (n, d), by k-means (k-means++ from `seed`, Lloyd).
    ///
    /// # Errors
    /// If there are no data.
    pub fn fit(data: &Tensor, cells: usize, seed: u64) -> Result<Self> {
        ensure!(data.dim() == 2 && data.numel() > 0, "no data to divide into cells");
        let data = data.to_kind(Kind::Double);
        let mut centres = first_centres(&data, cells, &mut ChaCha8Rng::seed_from_u64(seed))?;
        let mut labels = nearest(&centres, &data);
        for _ in 0..ROUNDS {
            let members = labels.one_hot(centres.size()[0]).to_kind(Kind::Double);
            let counts = members.sum_dim_intlist([0i64].as_slice(), false, None).unsqueeze(1);
            let means = members.tr().matmul(&data) / counts.clamp_min(1.0);
            // A cell that lost all of its members stays where it is.
            centres = means.where_self(&counts.gt(0.0), &centres);
            let next = nearest(&centres, &data);
            if next.equal(&labels) {
                break;
            }
            labels = next;
        }
        Self::around(&centres, &data)
    }

    /// Cells around `centres` (cells, d), with the counts of `data` (n, d).
    ///
    /// # Errors
    /// If sizes differ.
    pub fn around(centres: &Tensor, data: &Tensor) -> Result<Self> {
        ensure!(
            centres.size()[1..] == data.size()[1..],
            "centres {:?} and data {:?} differ in their dimensions",
            centres.size(),
            data.size()
        );
        let mut cells = Self { centres: centres.to_kind(Kind::Double), counts: Vec::new() };
        cells.counts = cells.count(&cells.assign(data)?);
        Ok(cells)
    }

    /// The cell of each of the features (n, d).
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn assign(&self, features: &Tensor) -> Result<Vec<usize>> {
        let labels = nearest(&self.centres, &features.to_kind(Kind::Double));
        let labels: Vec<i64> = Vec::try_from(labels)?;
        Ok(labels.into_iter().map(|label| label as usize).collect())
    }

    /// How many are in each cell.
    fn count(&self, labels: &[usize]) -> Vec<usize> {
        let mut counts = vec![0; self.centres.size()[0] as usize];
        labels.iter().for_each(|&label| counts[label] += 1);
        counts
    }

    /// Which cells differ between the data and what has these `labels`.
    pub fn different(&self, labels: &[usize]) -> Vec<bool> {
        let n = |counts: &[usize]| counts.iter().sum::<usize>() as f64;
        let theirs = self.count(labels);
        let (n1, n2) = (n(&self.counts), n(&theirs));
        let test = |(a, b): (&usize, &usize)| {
            let (a, b) = (*a as f64, *b as f64);
            let p = (a + b) / (n1 + n2);
            let error = (p * (1.0 - p) * (1.0 / n1 + 1.0 / n2)).sqrt();
            ((a / n1 - b / n2) / error).abs() > CRITICAL
        };
        self.counts.iter().zip(&theirs).map(test).collect()
    }

    /// Share of the cells that differ, in [0, 1].
    pub fn score(&self, labels: &[usize]) -> f64 {
        let different = self.different(labels);
        different.iter().filter(|different| **different).count() as f64 / different.len() as f64
    }
}

/// The nearest centre of each row of x (n, d).
fn nearest(centres: &Tensor, x: &Tensor) -> Tensor {
    squared_distances(x, centres).argmin(1, false)
}

/// |x - y|² of each row of x (n, d) and y (m, d), (n, m).
pub(super) fn squared_distances(x: &Tensor, y: &Tensor) -> Tensor {
    let rows = |x: &Tensor| x.square().sum_dim_intlist([1i64].as_slice(), true, None);
    (rows(x) + rows(y).tr() - x.matmul(&y.tr()) * 2.0).clamp_min(0.0)
}

/// k-means++ (Arthur and Vassilvitskii 2007): each centre is drawn by its squared distance to those
/// that there are.
fn first_centres(data: &Tensor, cells: usize, random: &mut ChaCha8Rng) -> Result<Tensor> {
    let n = data.size()[0];
    let mut chosen = vec![random.random_range(0..n)];
    let distance = |row: i64| squared_distances(data, &data.narrow(0, row, 1)).squeeze_dim(1);
    let mut least = distance(chosen[0]);
    while chosen.len() < cells {
        let weights: Vec<f64> = Vec::try_from(&least)?;
        // Fewer different sounds than cells.
        let Ok(weights) = WeightedIndex::new(weights) else { break };
        let next = weights.sample(random) as i64;
        chosen.push(next);
        least = least.minimum(&distance(next));
    }
    Ok(data.index_select(0, &Tensor::from_slice(&chosen)))
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    #[test]
    fn clusters_are_found_and_missing_ones_counted() {
        // Four corners, twenty points near each.
        let points: Vec<f64> = (0..80)
            .flat_map(|i| {
                [f64::from(i % 2) * 9.0 + f64::from(i) * 0.01, f64::from(i / 2 % 2) * 9.0]
            })
            .collect();
        let data = Tensor::from_slice(&points).view([80, 2]);
        let cells = Cells::fit(&data, 4, 0).unwrap();
        assert_eq!(cells.counts, [20; 4]);
        assert_eq!(cells.score(&cells.assign(&data).unwrap()), 0.0);
        let left = data.index_select(0, &(Tensor::arange(40, (Kind::Int64, Device::Cpu)) * 2));
        assert_eq!(cells.score(&cells.assign(&left).unwrap()), 1.0);
        let alike = Tensor::ones([5, 2], (Kind::Double, Device::Cpu));
        assert_eq!(Cells::fit(&alike, 4, 0).unwrap().counts, [5]);
    }
}
