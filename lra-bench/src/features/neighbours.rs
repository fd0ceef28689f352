//! k nearest neighbours: what the examples nearest by their cosine say, each with the weight
//! exp(cosine / 0.07) (Wu et al. 2018).

use anyhow::{Result, ensure};
use tch::{Kind, Tensor};

use super::Features;

const TEMPERATURE: f64 = 0.07;
/// Queries whose similarities to all examples are in memory at once.
const ROWS: i64 = 256;

/// The share of `queries` that their `k` nearest of `known`, of so many classes, take for what they are.
///
/// # Errors
/// If k is not from 1 to the number of examples.
pub fn accuracy(known: &Features, queries: &Features, k: i64, classes: i64) -> Result<f64> {
    let predicted = predictions(known, &queries.x, k, classes)?;
    let right = predicted.eq_tensor(&queries.classes).sum(Kind::Double).double_value(&[]);
    Ok(right / queries.classes.numel() as f64)
}

/// The class that the neighbours of each of `queries` (M, F) vote for, (M).
///
/// # Errors
/// If k is not from 1 to the number of examples.
pub fn predictions(known: &Features, queries: &Tensor, k: i64, classes: i64) -> Result<Tensor> {
    let count = known.classes.size()[0];
    ensure!(k >= 1 && k <= count, "--k is {k}; there are 1 to {count} neighbours");
    let unit = |x: &Tensor| {
        let norm = x.square().sum_dim_intlist([1i64].as_slice(), true, None).sqrt();
        x / norm.clamp_min(1e-12)
    };
    let known_unit = unit(&known.x).transpose(0, 1);
    let mut predicted = Vec::new();
    for rows in unit(queries).split(ROWS, 0) {
        let (near, which) = rows.f_mm(&known_unit)?.f_topk(k, 1, true, true)?;
        let votes = ((near - 1.0) / TEMPERATURE).exp();
        let voted = known.classes.f_index_select(0, &which.flatten(0, 1))?.view_as(&which);
        let sums = Tensor::f_zeros([rows.size()[0], classes], (votes.kind(), votes.device()))?
            .f_scatter_add(1, &voted, &votes)?;
        predicted.push(sums.argmax(1, false));
    }
    Ok(Tensor::f_cat(&predicted, 0)?)
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    /// Three classes around three directions.
    fn toy(count: i64, shift: f64) -> Features {
        let classes = Tensor::arange(count, (Kind::Int64, Device::Cpu)).remainder(3);
        let noise = (Tensor::arange(count * 3, (Kind::Float, Device::Cpu)) * 1.7 + shift).sin();
        let x = classes.one_hot(3).to_kind(Kind::Float) + noise.view([count, 3]) * 0.45;
        Features { x, classes }
    }

    #[test]
    fn votes_are_those_of_a_literal_search() {
        let (known, queries) = (toy(30, 0.0), toy(21, 0.5));
        let rows = |x: &Tensor| -> Vec<Vec<f64>> {
            (0..x.size()[0])
                .map(|row| Vec::try_from(x.get(row).to_kind(Kind::Double)).unwrap())
                .collect()
        };
        let cosine = |a: &[f64], b: &[f64]| {
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
        };
        let (all, classes) = (rows(&known.x), Vec::<i64>::try_from(&known.classes).unwrap());
        for k in [1, 5, 30] {
            let found = Vec::<i64>::try_from(predictions(&known, &queries.x, k, 3).unwrap());
            let found = found.unwrap();
            for (query, found) in rows(&queries.x).iter().zip(found) {
                let mut near: Vec<(f64, i64)> =
                    all.iter().zip(&classes).map(|(x, &class)| (cosine(query, x), class)).collect();
                near.sort_by(|a, b| b.0.total_cmp(&a.0));
                let mut votes = [0.0; 3];
                for (similarity, class) in &near[..k as usize] {
                    votes[*class as usize] += (similarity / TEMPERATURE).exp();
                }
                let best = (0..3).max_by(|&a, &b| votes[a].total_cmp(&votes[b])).unwrap();
                assert_eq!(found, best as i64, "k = {k}");
            }
        }
        assert!(accuracy(&known, &queries, 5, 3).unwrap() > 0.9);
        for wrong in [0, 31] {
            assert!(accuracy(&known, &queries, wrong, 3).is_err());
        }
    }
}
