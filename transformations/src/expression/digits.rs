//! Other digits.

use datasets::listops::grammar::VALUES;
use rand::Rng;

use super::some;
use crate::Effect;
use crate::change::Change;
use crate::content::Expression;

const COUNT: [usize; 5] = [1, 2, 4, 8, 16];

pub(crate) const DIGITS: Change<Expression> = Change {
    name: "change-digit",
    about: "digits replaced by others",
    effect: Effect::Recomputed,
    strength: |severity| format!("{} digits", severity.of(COUNT)),
    change: |expression, severity, random, _| {
        let digit = |part: &Expression| matches!(part, Expression::Digit(_));
        some(
            expression,
            digit,
            |_| severity.of(COUNT),
            random,
            |part, random| {
                let Expression::Digit(value) = part else { return };
                *value = (*value + random.random_range(1..VALUES)) % VALUES;
            },
        )
    },
};

#[cfg(test)]
mod tests {
    use super::super::testing::{changed, parse};
    use super::*;

    #[test]
    fn as_many_digits_as_asked_for_are_others() {
        let text = "[MAX 1 2 [MIN 3 4 ] 5 6 7 8 9 0 ]";
        let before = parse(text).tokens();
        for severity in 1..=4 {
            let after = changed(&DIGITS, text, severity).tokens();
            let differ = before.iter().zip(&after).filter(|(a, b)| a != b).count();
            assert_eq!((after.len(), differ), (before.len(), COUNT[severity - 1]));
        }
    }
}
