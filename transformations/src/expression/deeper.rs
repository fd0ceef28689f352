//! Lists within more lists.

use datasets::listops::grammar::{Operator, VALUES};
use rand::Rng;
use rand::seq::{IteratorRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::fitting;
use crate::Effect;
use crate::change::Change;
use crate::content::Expression;

const LEVELS: [usize; 5] = [1, 2, 3, 4, 5];

pub(crate) const DEEPER: Change<Expression> = Change {
    name: "deeper",
    about: "digits deepest down put into lists, each with another digit",
    effect: Effect::Recomputed,
    strength: |severity| format!("{} levels", severity.of(LEVELS)),
    change: |expression, severity, random, _| {
        let mut expression = expression.clone();
        (0..severity.of(LEVELS)).for_each(|_| deepen(&mut expression, random));
        fitting(expression)
    },
};

/// Puts a list around one of the digits that have the most around them.
fn deepen(expression: &mut Expression, random: &mut ChaCha8Rng) {
    if let Expression::List(_, entries) = expression {
        let depth = entries.iter().map(Expression::depth).max();
        let deepest = (0..entries.len()).filter(|&at| Some(entries[at].depth()) == depth);
        if let Some(at) = deepest.choose(random) {
            deepen(&mut entries[at], random);
        }
        return;
    }
    let operator = Operator::ALL[random.random_range(0..Operator::ALL.len())];
    let mut entries = vec![expression.clone(), Expression::Digit(random.random_range(0..VALUES))];
    entries.shuffle(random);
    *expression = Expression::List(operator, entries);
}

#[cfg(test)]
mod tests {
    use super::super::testing::{changed, parse};
    use super::*;

    #[test]
    fn depth_grows_by_the_levels() {
        for text in ["7", "[MAX 1 2 ]", "[MAX 1 [MIN 3 [MED 1 2 3 ] ] [SM [SM 4 5 ] 1 ] ]"] {
            for (severity, levels) in (1..=5).zip(LEVELS) {
                let after = changed(&DEEPER, text, severity);
                assert_eq!(after.depth(), parse(text).depth() + levels);
                assert_eq!(after.tokens().len(), parse(text).tokens().len() + 3 * levels);
            }
        }
    }
}
