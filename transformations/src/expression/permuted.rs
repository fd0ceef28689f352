//! The same entries in another order.

use rand::seq::SliceRandom;

use super::some;
use crate::Effect;
use crate::change::Change;
use crate::content::Expression;

/// Share of the lists.
const SHARE: [f64; 5] = [0.2, 0.4, 0.6, 0.8, 1.0];

pub(crate) const PERMUTED: Change<Expression> = Change {
    name: "permute-arguments",
    about: "lists in another order, which is all the same to MIN, MAX, MED and SM",
    effect: Effect::Invariant,
    strength: |severity| format!("{}% of the lists", 100.0 * severity.of(SHARE)),
    change: |expression, severity, random, _| {
        let list = |part: &Expression| matches!(part, Expression::List(..));
        let count = |lists: usize| (severity.of(SHARE) * lists as f64).ceil() as usize;
        some(expression, list, count, random, |part, random| {
            let Expression::List(_, entries) = part else { return };
            let before = entries.clone();
            while *entries == before && before.iter().any(|entry| *entry != before[0]) {
                entries.shuffle(random);
            }
        })
    },
};

#[cfg(test)]
mod tests {
    use super::super::testing::{changed, parse};
    use super::*;

    #[test]
    fn every_list_that_can_has_another_order() {
        let text = "[MAX 1 [MIN 2 3 ] ]";
        assert_eq!(changed(&PERMUTED, text, 5), parse("[MAX [MIN 3 2 ] 1 ]"));
        assert_eq!(changed(&PERMUTED, "[MAX 1 1 ]", 5), parse("[MAX 1 1 ]"));
    }
}
