//! Lists that change nothing.

use datasets::listops::grammar::Operator;
use rand::Rng;

use super::longer::neutral;
use super::some;
use crate::Effect;
use crate::change::Change;
use crate::content::Expression;

const COUNT: [usize; 5] = [1, 2, 4, 8, 16];

pub(crate) const WRAPPED: Change<Expression> = Change {
    name: "wrap",
    about: "parts x become [MAX x 0 ], [SM x 0 ] or [MIN x 9 ]",
    effect: Effect::Invariant,
    strength: |severity| format!("{} parts", severity.of(COUNT)),
    change: |expression, severity, random, _| {
        some(
            expression,
            |_| true,
            |_| severity.of(COUNT),
            random,
            |part, random| {
                let operators = Operator::ALL.into_iter();
                let neutral = operators.filter_map(|it| neutral(it).map(|digit| (it, digit)));
                let neutral: Vec<_> = neutral.collect();
                let (operator, digit) = neutral[random.random_range(0..neutral.len())];
                *part = Expression::List(operator, vec![part.clone(), Expression::Digit(digit)]);
            },
        )
    },
};

#[cfg(test)]
mod tests {
    use super::super::testing::{changed, parse};
    use super::*;

    #[test]
    fn parts_are_wrapped_and_the_value_stays() {
        let text = "[MED 1 2 [MIN 3 4 ] 5 6 7 8 9 0 3 4 5 6 7 8 9 ]";
        let before = parse(text);
        for (severity, count) in (1..=5).zip(COUNT) {
            let after = changed(&WRAPPED, text, severity);
            assert_eq!(after.tokens().len(), before.tokens().len() + 3 * count);
            assert_eq!(after.value().unwrap(), before.value().unwrap());
        }
    }
}
