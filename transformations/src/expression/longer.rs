//! More entries.

use anyhow::Result;
use datasets::listops::grammar::{Operator, VALUES};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::fitting;
use crate::change::Change;
use crate::content::Expression;
use crate::{Effect, Severity, Unchanged};

/// Tokens that are added, as a share of those that there are.
const SHARE: [f64; 5] = [0.05, 0.1, 0.2, 0.3, 0.5];

pub(crate) const LONGER: Change<Expression> = Change {
    name: "longer",
    about: "random digits added to lists",
    effect: Effect::Recomputed,
    strength,
    change: |expression, severity, random, _| grown(expression, severity, random, |_| Some(ANY)),
};

pub(crate) const NEUTRAL: Change<Expression> = Change {
    name: "neutral-arguments",
    about: "digits added that change nothing: 0 to MAX and SM, 9 to MIN",
    effect: Effect::Invariant,
    strength,
    change: |expression, severity, random, _| {
        grown(expression, severity, random, |operator| {
            neutral(operator).map(|digit| [digit, digit])
        })
    },
};

fn strength(severity: Severity) -> String {
    format!("{}% longer", 100.0 * severity.of(SHARE))
}

/// Least and largest digit.
const ANY: [u8; 2] = [0, VALUES - 1];

/// The digit that changes no result of an operator.
pub(super) fn neutral(operator: Operator) -> Option<u8> {
    match operator {
        Operator::Max | Operator::SumModulo => Some(0),
        Operator::Min => Some(VALUES - 1),
        Operator::Median => None,
    }
}

/// The expression with digits between two limits added anywhere to lists whose operator has such limits.
fn grown(
    expression: &Expression,
    severity: Severity,
    random: &mut ChaCha8Rng,
    limits: fn(Operator) -> Option<[u8; 2]>,
) -> Result<Expression> {
    let mut expression = expression.clone();
    let limits = |part: &Expression| match part {
        Expression::List(operator, _) => limits(*operator),
        Expression::Digit(_) => None,
    };
    let mut lists = 0;
    expression.each(&mut |part| lists += usize::from(limits(part).is_some()));
    if lists == 0 {
        return Err(Unchanged.into());
    }
    let more = (severity.of(SHARE) * expression.tokens().len() as f64).ceil() as usize;
    let mut added = vec![0; lists];
    (0..more).for_each(|_| added[random.random_range(0..lists)] += 1);
    let mut added = added.into_iter();
    expression.each(&mut |part| {
        let Some([least, most]) = limits(part) else { return };
        let Expression::List(_, entries) = part else { return };
        for _ in 0..added.next().unwrap_or(0) {
            let digit = Expression::Digit(random.random_range(least..=most));
            entries.insert(random.random_range(0..=entries.len()), digit);
        }
    });
    fitting(expression)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{changed, parse};
    use super::*;

    #[test]
    fn expressions_grow_by_the_share() {
        let text = "[MAX 1 2 [MIN 3 4 [MED 1 2 3 ] ] 5 6 7 8 9 [SM 1 2 ] ]";
        let before = parse(text);
        for (severity, share) in (1..=5).zip(SHARE) {
            let more = (share * before.tokens().len() as f64).ceil() as usize;
            for change in [&LONGER, &NEUTRAL] {
                let after = changed(change, text, severity);
                assert_eq!(after.tokens().len(), before.tokens().len() + more);
                assert_eq!(after.depth(), before.depth());
            }
            assert_eq!(changed(&NEUTRAL, text, severity).value().unwrap(), before.value().unwrap());
        }
    }
}
