//! Parts of examples: by names, intervals or quantiles, and made of each other.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};

use super::Value;
use crate::suite::Subpopulation;

/// A part with its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    /// What it is called.
    pub name: String,
    /// Its examples, ascending.
    pub members: Vec<usize>,
}

/// The parts that the values of `score` make of `examples`: each name, or each interval, half open, the
/// last one of quantiles closed. Examples without a value are in none.
///
/// # Errors
/// If the score has names and intervals are asked for, or numbers and none are.
pub fn divide(
    part: &Subpopulation,
    examples: &[usize],
    values: &[Option<Value>],
) -> Result<Vec<Named>> {
    let score = part.score.as_deref().context("a part without a score")?;
    let each = || examples.iter().zip(values);
    let mut numbers = Vec::new();
    let mut names = BTreeSet::new();
    for value in values.iter().flatten() {
        match value {
            Value::Number(number) => numbers.push(*number),
            Value::Name(name) => drop(names.insert(name.clone())),
        }
    }
    let in_intervals = part.limits.is_some() || part.quantiles.is_some();
    ensure!(
        names.is_empty() || !in_intervals,
        "`{score}` has names, which have no limits or quantiles"
    );
    if !in_intervals {
        // Numbers in place of classes: each is a name.
        let name = |value: &Value| match value {
            Value::Name(name) => name.clone(),
            Value::Number(number) => number.to_string(),
        };
        names.extend(numbers.iter().map(|number| number.to_string()));
        ensure!(
            names.len() <= 100,
            "`{score}` has {} values; give limits or quantiles",
            names.len()
        );
        let parts = names.iter().map(|wanted| Named {
            name: format!("{score} {wanted}"),
            members: each()
                .filter(|(_, value)| value.as_ref().map(name).as_ref() == Some(wanted))
                .map(|(&example, _)| example)
                .collect(),
        });
        return Ok(parts.collect());
    }
    numbers.sort_by(f64::total_cmp);
    let limits = match (&part.limits, part.quantiles) {
        (Some(limits), _) => limits.clone(),
        (None, quantiles) => limits_of(&numbers, quantiles.unwrap_or(1)),
    };
    let is_quantile = part.limits.is_none();
    let last = limits.len().saturating_sub(2);
    let parts = limits.windows(2).enumerate().map(|(number, limit)| {
        let (low, high) = (limit[0], limit[1]);
        let closed = is_quantile && number == last;
        let inside = |x: f64| low <= x && (x < high || (closed && x == high));
        let end = if closed { ']' } else { ')' };
        Named {
            name: format!("{score} [{}, {}{end}", brief(low), brief(high)),
            members: each()
                .filter(|(_, value)| matches!(value, Some(Value::Number(x)) if inside(*x)))
                .map(|(&example, _)| example)
                .collect(),
        }
    });
    Ok(parts.collect())
}

/// Limits of `count` parts of about equal size of sorted numbers; fewer where many are equal.
fn limits_of(sorted: &[f64], count: usize) -> Vec<f64> {
    let Some(most) = sorted.len().checked_sub(1) else { return Vec::new() };
    let at = |part: usize| sorted[(part * sorted.len() / count).min(most)];
    let mut limits: Vec<f64> = (0..=count).map(at).collect();
    limits.dedup();
    if limits.len() == 1 {
        limits.push(limits[0]);
    }
    limits
}

/// A number in a few digits.
fn brief(number: f64) -> String {
    let digits = match number.abs() {
        0.0 => 0,
        size if size >= 100.0 => 0,
        size if size >= 1.0 => 2,
        _ => 4,
    };
    let text = format!("{number:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// The part that is made of others among `parts`, within `examples`.
///
/// # Errors
/// If one that it names is not there.
pub fn combine(part: &Subpopulation, examples: &[usize], parts: &[Named]) -> Result<Named> {
    let find = |name: &String| -> Result<BTreeSet<usize>> {
        let found = parts.iter().find(|part| part.name == *name).with_context(|| {
            let names: Vec<_> = parts.iter().map(|part| part.name.as_str()).collect();
            format!("there is no part `{name}`; there are {}", names.join("; "))
        })?;
        Ok(found.members.iter().copied().collect())
    };
    let mut members: BTreeSet<usize> = examples.iter().copied().collect();
    for name in &part.all_of {
        let those = find(name)?;
        members.retain(|member| those.contains(member));
    }
    if !part.any_of.is_empty() {
        let mut any = BTreeSet::new();
        for name in &part.any_of {
            any.extend(find(name)?);
        }
        members.retain(|member| any.contains(member));
    }
    for name in &part.none_of {
        let those = find(name)?;
        members.retain(|member| !those.contains(member));
    }
    let name = part.name.clone().unwrap_or_default();
    Ok(Named { name, members: members.into_iter().collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(values: &[f64]) -> Vec<Option<Value>> {
        values.iter().map(|&value| Some(Value::Number(value))).collect()
    }

    fn by(limits: Option<Vec<f64>>, quantiles: Option<usize>) -> Subpopulation {
        Subpopulation { score: Some("x".to_owned()), limits, quantiles, ..Default::default() }
    }

    #[test]
    fn neighbours_share_no_members() {
        let values = numbers(&[0.0, 1.0, 2.0, 2.0, 3.0]);
        let parts =
            divide(&by(Some(vec![0.0, 2.0, 3.0]), None), &[5, 6, 7, 8, 9], &values).unwrap();
        assert_eq!(parts[0], Named { name: "x [0, 2)".to_owned(), members: vec![5, 6] });
        assert_eq!(parts[1], Named { name: "x [2, 3)".to_owned(), members: vec![7, 8] });
    }

    #[test]
    fn quantiles_are_of_this_data_and_hold_all_of_it() {
        for values in
            [&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0][..], &[10.0, 20.0, 20.0, 20.0, 30.0], &[4.0]]
        {
            let part = by(None, Some(3));
            let examples: Vec<usize> = (0..values.len()).collect();
            let parts = divide(&part, &examples, &numbers(values)).unwrap();
            let mut all: Vec<usize> = parts.iter().flat_map(|part| part.members.clone()).collect();
            all.sort_unstable();
            assert_eq!(all, examples, "{parts:?}");
            assert_eq!(part, by(None, Some(3)));
        }
        assert!(divide(&by(None, Some(3)), &[], &[]).unwrap().is_empty());
    }

    #[test]
    fn parts_are_made_of_parts() {
        let of = |name: &str, members: &[usize]| Named {
            name: name.to_owned(),
            members: members.to_vec(),
        };
        let parts = [of("a", &[1, 2, 3]), of("b", &[3, 4])];
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let made = |all: &[&str], any: &[&str], none: &[&str]| {
            let part = Subpopulation {
                name: Some("c".to_owned()),
                all_of: names(all),
                any_of: names(any),
                none_of: names(none),
                ..Default::default()
            };
            combine(&part, &[1, 2, 3, 4, 5], &parts).map(|part| part.members)
        };
        assert_eq!(made(&["a", "b"], &[], &[]).unwrap(), [3]);
        assert_eq!(made(&[], &["a", "b"], &[]).unwrap(), [1, 2, 3, 4]);
        assert_eq!(made(&[], &[], &["a"]).unwrap(), [4, 5]);
        assert!(
            made(&["d"], &[], &[]).unwrap_err().to_string().contains("no part `d`; there are a; b")
        );
    }
}
