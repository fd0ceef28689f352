//! Signs that an attack was too weak to say anything (Carlini et al. 2019; Croce and Hein 2020).

use std::collections::HashMap;

use tch::{Kind as Float, Tensor};
use transformations::content::Kind;

use super::{Budget, find};
use crate::results::Row;

/// By how much a search without gradients may beat those with them, as a share.
const BEATEN: f64 = 0.002;
/// A success rate that a curve must reach at this ε.
const REACHED: (f64, f64) = (0.95, 32.0 / 255.0);

/// What is to be warned of in a model's outputs of the same inputs, twice.
pub fn of_outputs(first: &Tensor, second: &Tensor) -> Vec<String> {
    let mut warnings = Vec::new();
    if first != second {
        warnings.push(
            "the model's outputs are random: the same input gave two. Gradients of one are no guide to \
             the next"
                .to_owned(),
        );
    }
    let sums = first.sum_dim_intlist([1i64].as_slice(), false, Float::Double) - 1.0;
    let is_small = |x: Tensor| x.double_value(&[]) < 1e-4;
    if is_small(sums.abs().max()) && first.min().double_value(&[]) >= 0.0 {
        warnings.push(
            "the model's outputs look like probabilities, whose gradients vanish where it is sure; \
             attack logits"
                .to_owned(),
        );
    }
    warnings
}

/// What is to be warned of in the rows of attacks on `kind`.
pub fn of_rows(rows: &[Row], kind: Kind) -> Vec<String> {
    let attacked = || rows.iter().filter_map(|row| Some((row, row.attack.as_ref()?)));
    let mut warnings = Vec::new();
    for (_, it) in attacked() {
        if let Some(count @ 1..) = it.zero_gradients {
            warnings.push(format!(
                "{} {}: the gradients of {count} of {} examples are zero; the model may hide them",
                it.attack, it.budget, it.success.of
            ));
        }
    }
    let mut names: Vec<&str> = attacked().map(|(_, it)| it.attack.as_str()).collect();
    names.dedup();
    for name in names {
        let Ok(attack) = find(name, kind) else { continue };
        let mut curve: Vec<_> =
            attacked().map(|it| it.1).filter(|it| it.attack == name && it.success.of > 0).collect();
        curve.sort_by(|a, b| a.budget.size().total_cmp(&b.budget.size()));
        for pair in curve.windows(2) {
            // One example is no decline.
            let margin = 1.5 / pair[1].success.of as f64;
            if pair[1].success.value() + margin < pair[0].success.value() {
                warnings.push(format!(
                    "{name} misleads less at {} than at {}: it did not find what there is",
                    pair[1].budget, pair[0].budget
                ));
            }
        }
        // One step need not get there.
        let is_thorough = attack.uses_gradients() && attack.steps().is_some();
        let last = curve.last().filter(|_| is_thorough);
        if let Some(last) = last
            && matches!(last.budget, Budget::Level(level) if level > REACHED.1 - 1e-9)
            && last.success.value() < REACHED.0
        {
            warnings.push(format!(
                "{name} misleads {:.0}% at {}, where nothing should stand: the attack is too weak for \
                 this model",
                100.0 * last.success.value(),
                last.budget
            ));
        }
    }
    warnings.extend(attacked().filter_map(|(row, _)| beaten(row, rows, kind)));
    warnings
}

/// A warning if `row`, of a search without gradients, beats all with gradients at its budget.
fn beaten(row: &Row, rows: &[Row], kind: Kind) -> Option<String> {
    let its = row.attack.as_ref()?;
    let by_gradients = |name: &str| find(name, kind).is_ok_and(|attack| attack.uses_gradients());
    if by_gradients(&its.attack) {
        return None;
    }
    let right = |row: &Row| -> HashMap<usize, f64> {
        row.slice.members.iter().copied().zip(row.values()).collect()
    };
    let mine = right(row);
    let gaps = rows.iter().filter_map(|other| {
        let theirs = other.attack.as_ref()?;
        let comparable = theirs.budget == its.budget && by_gradients(&theirs.attack);
        let both: Vec<f64> = right(other)
            .iter()
            .filter_map(|(example, right)| Some(right - mine.get(example)?))
            .collect();
        (comparable && !both.is_empty()).then(|| both.iter().sum::<f64>() / both.len() as f64)
    });
    let least = gaps.min_by(f64::total_cmp)?;
    (least > BEATEN).then(|| {
        format!(
            "{} {} misleads {:.1} points more than any attack by gradients at that budget: gradients \
             are no good guide here",
            its.attack,
            its.budget,
            100.0 * least
        )
    })
}
