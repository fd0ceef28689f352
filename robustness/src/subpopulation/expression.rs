//! Scores of expressions of ListOps.

use anyhow::Result;
use datasets::listops::grammar::{Operator, VALUES, WORDS};
use transformations::content::{Content, Expression, Kind};

use super::{Measure, Value};
use crate::subject::Item;

/// Lists within each other.
pub(super) const DEPTH: Measure = Measure {
    name: "depth",
    about: "lists within each other",
    kinds: &[Kind::Expression],
    is_number: true,
    of: |item, _| Ok(expression(item).map(|it| Value::Number(it.depth() as f64))),
};

/// What is done last.
pub(super) const ROOT: Measure = Measure {
    name: "root",
    about: "the operator of the whole",
    kinds: &[Kind::Expression],
    is_number: false,
    of: |item, _| {
        Ok(match expression(item) {
            Some(Expression::List(operator, _)) => Some(Value::Name(name(*operator).to_owned())),
            _ => None,
        })
    },
};

/// Digits that the value depends on.
pub(super) const DECIDING: Measure = Measure {
    name: "deciding-digits",
    about: "digits of which another one would change the value",
    kinds: &[Kind::Expression],
    is_number: true,
    of: |item, _| {
        let Some(expression) = expression(item) else { return Ok(None) };
        let identity = std::array::from_fn(|value| value as u8);
        Ok(Some(Value::Number(deciding(expression, identity)? as f64)))
    },
};

fn expression(item: &Item) -> Option<&Expression> {
    match &item.content {
        Content::Expression(expression) => Some(expression),
        _ => None,
    }
}

fn name(operator: Operator) -> &'static str {
    let place = usize::from(operator.token() - Operator::ALL[0].token());
    WORDS[usize::from(VALUES) + place].trim_start_matches('[')
}

/// Digits within `part` that decide, where the whole is worth `whole[v]` if the part is worth v.
fn deciding(part: &Expression, whole: [u8; VALUES as usize]) -> Result<usize> {
    let decides = whole.iter().any(|value| *value != whole[0]);
    match part {
        _ if !decides => Ok(0),
        Expression::Digit(_) => Ok(1),
        Expression::List(operator, entries) => {
            let values: Vec<u8> =
                entries.iter().map(Expression::value).collect::<Result<_, _>>()?;
            let mut count = 0;
            for (place, entry) in entries.iter().enumerate() {
                let by_entry = std::array::from_fn(|value| {
                    let mut values = values.clone();
                    values[place] = value as u8;
                    whole[usize::from(operator.apply(&mut values))]
                });
                count += deciding(entry, by_entry)?;
            }
            Ok(count)
        }
    }
}

#[cfg(test)]
mod tests {
    use datasets::listops::grammar::parse;

    use super::*;

    #[test]
    fn digits_that_decide_are_counted() {
        for (text, expected) in [
            ("7", 1),
            ("[MAX 4 9 ]", 1), // 9 decides; no other 4 is above it
            ("[MAX 4 8 ]", 2), // 4 may become 9
            ("[SM 1 2 3 ]", 3),
            ("[MIN 0 [SM 1 2 ] ]", 1),
            ("[MED 1 5 9 ]", 3),
        ] {
            let expression = Expression::of(&parse(text).unwrap()).unwrap();
            let identity = std::array::from_fn(|value| value as u8);
            assert_eq!(deciding(&expression, identity).unwrap(), expected, "{text}");
        }
        assert_eq!(Operator::ALL.map(name), ["MIN", "MAX", "MED", "SM"]);
    }
}
