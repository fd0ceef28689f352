//! Changes of expressions of ListOps.

use anyhow::{Result, ensure};
use datasets::listops::grammar;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;

use crate::Unchanged;
use crate::content::Expression;

pub(crate) mod deeper;
pub(crate) mod digits;
pub(crate) mod longer;
pub(crate) mod permuted;
pub(crate) mod wrapped;

/// The expression after `change` of `count` of the parts that are `eligible`, or of all if they are fewer,
/// drawn at random. What is within a part comes before it.
fn some(
    expression: &Expression,
    eligible: fn(&Expression) -> bool,
    count: impl FnOnce(usize) -> usize,
    random: &mut ChaCha8Rng,
    mut change: impl FnMut(&mut Expression, &mut ChaCha8Rng),
) -> Result<Expression> {
    let mut expression = expression.clone();
    let mut parts = 0;
    expression.each(&mut |part| parts += usize::from(eligible(part)));
    if parts == 0 {
        return Err(Unchanged.into());
    }
    let mut chosen = vec![false; parts];
    index::sample(random, parts, count(parts).min(parts)).iter().for_each(|at| chosen[at] = true);
    let mut chosen = chosen.into_iter();
    expression.each(&mut |part| {
        if eligible(part) && chosen.next() == Some(true) {
            change(part, random);
        }
    });
    fitting(expression)
}

/// The expression, if data has room for it.
fn fitting(expression: Expression) -> Result<Expression> {
    let tokens = expression.tokens().len();
    ensure!(
        tokens <= grammar::LONGEST,
        "the expression has become {tokens} tokens long, and there is room for {}: choose a lower severity \
         or shorter expressions",
        grammar::LONGEST
    );
    Ok(expression)
}

#[cfg(test)]
mod testing {
    use std::ops::ControlFlow;

    use datasets::listops::{Lengths, Recipe};

    use super::*;
    use crate::change::Change;
    use crate::content::{Content, Kind};
    use crate::{Effect, Severity, of_kind, seed};

    pub(super) fn parse(text: &str) -> Expression {
        Expression::of(&grammar::parse(text).unwrap()).unwrap()
    }

    /// `text`, changed at a severity.
    pub(super) fn changed(change: &Change<Expression>, text: &str, severity: usize) -> Expression {
        let random = &mut seed::generator(change.name, &[]);
        (change.change)(&parse(text), Severity::ALL[severity - 1], random, &[]).unwrap()
    }

    #[test]
    fn labels_are_the_values_of_a_thousand_expressions() {
        let lengths = Lengths { shortest: 4, longest: 90 };
        let recipe = Recipe { seed: 0, counts: [1000, 1, 1], lengths };
        let [expressions, ..] = recipe.generate(|_| ControlFlow::Continue(())).unwrap().unwrap();
        for (number, tokens) in expressions.iter().enumerate() {
            let before: Content = Expression::of(tokens).unwrap().into();
            let label = grammar::evaluate(tokens).unwrap().into();
            let severity = Severity::ALL[number % 5];
            for it in of_kind(Kind::Expression) {
                let random = &mut seed::random(0, it.name(), severity, number);
                let changed = match it.apply(&before, &label, severity, random, &[]) {
                    Err(error) if error.is::<Unchanged>() => continue,
                    changed => changed.unwrap(),
                };
                let Content::Expression(after) = changed.content else { panic!("{}", it.name()) };
                let value = grammar::evaluate(&after.tokens()).unwrap();
                assert_eq!(changed.label, value.into(), "{}", it.name());
                assert!(
                    it.effect() == Effect::Recomputed || changed.label == label,
                    "{}",
                    it.name()
                );
            }
        }
    }

    #[test]
    fn expressions_beyond_the_data_s_room_are_errors_that_say_so() {
        let long = Expression::List(grammar::Operator::Max, vec![Expression::Digit(3); 2000]);
        assert!(fitting(long.clone()).is_ok());
        let random = &mut seed::generator("long", &[]);
        let longer = (longer::LONGER.change)(&long, Severity::ALL[4], random, &[]);
        let message = longer.unwrap_err().to_string();
        assert!(message.contains("there is room for 2047"), "{message}");
    }
}
