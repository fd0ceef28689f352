//! Whether models are wrong about the same examples: error consistency (Geirhos et al. 2020), Cohen's κ of
//! who is right. Models that came of one base may inherit its errors.

use std::collections::HashMap;

use anyhow::{Result, ensure};
use report::bootstrap::Units;
use serde::Serialize;

use crate::report::names;
use crate::results::{BOOTSTRAP, Estimate, Figure, Results};
use crate::slice::{Idiom, Slice};
use crate::subject::Verdict;

/// Each two of several models, on the slices that all of them were judged on.
#[derive(Debug, Serialize)]
pub struct Agreement {
    /// κ: 1 where both are wrong about the same examples, 0 where about as many of them as by chance.
    pub figure: Figure,
    /// The models.
    pub names: Vec<String>,
    /// Which two models each [`Pair`] of a row is of.
    pub pairs: Vec<[usize; 2]>,
    /// The slices, in the order of the first model's results.
    pub rows: Vec<Row>,
}

/// A slice.
#[derive(Debug, Serialize)]
pub struct Row {
    /// With the members that all models were judged on.
    pub slice: Slice,
    /// Each two models.
    pub pairs: Vec<Pair>,
}

/// Two models on one slice.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Pair {
    /// κ with its bootstrap interval; `None` where one model is right, or wrong, about all.
    pub kappa: Option<Estimate>,
    /// Examples that both are wrong about.
    pub both_wrong: usize,
    /// Those of which both say the same class.
    pub same_class: usize,
}

impl Agreement {
    /// That of models on one suite.
    ///
    /// # Errors
    /// If there are fewer than two, they are of different tasks or say no classes, or they have no slice in
    /// common.
    pub fn of(results: &[Results]) -> Result<Self> {
        ensure!(results.len() > 1, "agreement is between models: name the results of two or more");
        let first = &results[0];
        for other in results {
            ensure!(
                other.about.task == first.about.task && other.metric.share,
                "errors in {} by {} cannot be compared with those in {} by {}: agreement is between models \
                 that say classes, on one task",
                other.about.task,
                other.metric.name,
                first.about.task,
                first.metric.name
            );
        }
        let pairs: Vec<[usize; 2]> =
            (0..results.len()).flat_map(|a| (a + 1..results.len()).map(move |b| [a, b])).collect();
        let rows: Vec<Row> =
            first.rows.iter().filter_map(|row| Row::of(&row.slice, results, &pairs)).collect();
        ensure!(!rows.is_empty(), "the results have no slice with common examples");
        let name = "error consistency".to_owned();
        let figure = Figure { name, higher_is_better: true, share: false };
        Ok(Self { figure, names: names(results), pairs, rows })
    }

    /// What each two models are called.
    pub fn pair_names(&self) -> impl Iterator<Item = String> {
        self.pairs.iter().map(|[a, b]| format!("{} and {}", self.names[*a], self.names[*b]))
    }

    /// How many clean examples each two models are wrong about, a line each.
    pub fn findings(&self) -> Vec<String> {
        let Some(row) = self.rows.iter().find(|row| row.slice.idiom == Idiom::Clean) else {
            return Vec::new();
        };
        let count = row.slice.members.len();
        let line = |(name, pair): (String, &Pair)| {
            format!(
                "{name}: both wrong about {} of {count} clean examples, {} of them in the same way",
                pair.both_wrong, pair.same_class
            )
        };
        self.pair_names().zip(&row.pairs).map(line).collect()
    }
}

impl Row {
    /// The slice, if all have it; attacks are made on each model, and are not the same examples.
    fn of(slice: &Slice, results: &[Results], pairs: &[[usize; 2]]) -> Option<Self> {
        if slice.idiom == Idiom::Attack {
            return None;
        }
        let name = slice.identifier();
        let verdicts = results.iter().map(|results| {
            let row = results.rows.iter().find(|row| row.slice.identifier() == name)?;
            Some(row.slice.members.iter().copied().zip(&row.verdicts).collect())
        });
        let verdicts: Vec<HashMap<usize, &Verdict>> = verdicts.collect::<Option<_>>()?;
        let mut members = slice.members.clone();
        members.retain(|member| verdicts.iter().all(|its| its.contains_key(member)));
        let of = |[a, b]: &[usize; 2]| {
            Pair::of(members.iter().map(|member| [verdicts[*a][member], verdicts[*b][member]]))
        };
        let of_pairs = pairs.iter().map(of).collect();
        (!members.is_empty())
            .then(|| Self { slice: Slice { members, ..slice.clone() }, pairs: of_pairs })
    }
}

impl Pair {
    fn of<'a>(verdicts: impl Iterator<Item = [&'a Verdict; 2]>) -> Self {
        let verdicts: Vec<[&Verdict; 2]> = verdicts.collect();
        let right: Vec<[bool; 2]> =
            verdicts.iter().map(|pair| pair.map(|verdict| verdict.value > 0.5)).collect();
        let all: Vec<usize> = (0..right.len()).collect();
        let kappa = kappa(&right, &all).map(|value| {
            let units = Units::each(right.len());
            // A resample without an error of one of them says nothing.
            let interval =
                BOOTSTRAP.interval(&units, |drawn| kappa(&right, drawn).unwrap_or(value));
            Estimate { value, interval }
        });
        let wrong = || verdicts.iter().zip(&right).filter(|(_, right)| **right == [false; 2]);
        let is_same = |[a, b]: &[&Verdict; 2]| a.predicted.is_some() && a.predicted == b.predicted;
        let same_class = wrong().filter(|(pair, _)| is_same(pair)).count();
        Self { kappa, both_wrong: wrong().count(), same_class }
    }
}

/// (o - e) / (1 - e) of the examples `drawn`: o is how often both are right or both wrong, e how often they
/// would be if their errors had nothing to do with each other.
fn kappa(right: &[[bool; 2]], drawn: &[usize]) -> Option<f64> {
    let count = drawn.len() as f64;
    let share = |of: &dyn Fn([bool; 2]) -> bool| {
        drawn.iter().filter(|&&example| of(right[example])).count() as f64 / count
    };
    let (a, b) = (share(&|it| it[0]), share(&|it| it[1]));
    let by_chance = a * b + (1.0 - a) * (1.0 - b);
    let is_mixed = |share: f64| share > 0.0 && share < 1.0;
    let observed = share(&|it| it[0] == it[1]);
    (is_mixed(a) && is_mixed(b)).then(|| (observed - by_chance) / (1.0 - by_chance))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(is_right: bool, predicted: usize) -> Verdict {
        let value = f64::from(u8::from(is_right));
        Verdict { value, label: Some(0), predicted: Some(predicted), confidence: 1.0 }
    }

    #[test]
    fn kappa_is_that_of_a_known_table() {
        // Cohen's example of two judges: 20 both, 5 and 10 one of them, 15 neither; κ = 0.4.
        let table = [([true, true], 20), ([true, false], 5), ([false, true], 10), ([false; 2], 15)];
        let right: Vec<[bool; 2]> =
            table.iter().flat_map(|&(pair, count)| vec![pair; count]).collect();
        let all: Vec<usize> = (0..right.len()).collect();
        assert!((kappa(&right, &all).unwrap() - 0.4).abs() < 1e-12);
        assert_eq!(kappa(&right, &all[..20]), None);
        let verdicts: Vec<[Verdict; 2]> = right
            .iter()
            .enumerate()
            .map(|(i, pair)| [verdict(pair[0], 1), verdict(pair[1], 1 + i % 3)])
            .collect();
        let pair = Pair::of(verdicts.iter().map(|[a, b]| [a, b]));
        assert_eq!((pair.both_wrong, pair.same_class), (15, 5));
        let kappa = pair.kappa.unwrap();
        assert!(kappa.interval.low < 0.4 && kappa.interval.high > 0.4 && kappa.interval.low > 0.0);
    }

    #[test]
    fn who_is_wrong_alike_agrees_whole() {
        let verdicts: Vec<Verdict> = (0..40).map(|i| verdict(i % 4 > 0, i)).collect();
        let alike = Pair::of(verdicts.iter().map(|it| [it, it]));
        assert_eq!(alike.kappa.unwrap().value, 1.0);
        let apart = Pair::of(verdicts.iter().zip(verdicts.iter().skip(1)).map(|(a, b)| [a, b]));
        assert!(apart.kappa.unwrap().value < 0.0);
    }
}
