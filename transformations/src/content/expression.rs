//! Expressions of ListOps, as trees.

use anyhow::{Context, Result, bail, ensure};
use datasets::listops::grammar::{self, CLOSE, Operator};

/// An expression of ListOps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// A digit, 0 to 9.
    Digit(u8),
    /// What is done with a list.
    List(Operator, Vec<Expression>),
}

impl Expression {
    /// The expression that these tokens are.
    ///
    /// # Errors
    /// If they are not one whole expression.
    pub fn of(tokens: &[u8]) -> Result<Self> {
        grammar::evaluate(tokens)?;
        let mut open: Vec<(Operator, Vec<Self>)> = Vec::new();
        for &token in tokens {
            let whole = if let Some(operator) = Operator::of(token) {
                open.push((operator, Vec::new()));
                continue;
            } else if token == CLOSE {
                let (operator, entries) = open.pop().context("a list ends that did not begin")?;
                Self::List(operator, entries)
            } else {
                let value = (0..grammar::VALUES).find(|&value| grammar::digit(value) == token);
                Self::Digit(value.context("a token that is no digit")?)
            };
            match open.last_mut() {
                Some((_, entries)) => entries.push(whole),
                None => return Ok(whole),
            }
        }
        bail!("the expression does not end")
    }

    /// Its tokens.
    pub fn tokens(&self) -> Vec<u8> {
        match self {
            Self::Digit(value) => vec![grammar::digit(*value)],
            Self::List(operator, entries) => {
                let entries = entries.iter().flat_map(Self::tokens);
                [operator.token()].into_iter().chain(entries).chain([CLOSE]).collect()
            }
        }
    }

    /// Its value, 0 to 9.
    ///
    /// # Errors
    /// If a list is empty.
    pub fn value(&self) -> Result<u8> {
        match self {
            Self::Digit(value) => Ok(*value),
            Self::List(operator, entries) => {
                ensure!(!entries.is_empty(), "an empty list has no value");
                let values: Result<Vec<u8>> = entries.iter().map(Self::value).collect();
                Ok(operator.apply(&mut values?))
            }
        }
    }

    /// Calls `change` with every part, those within a part before it, and at last with the whole.
    pub(crate) fn each(&mut self, change: &mut impl FnMut(&mut Self)) {
        if let Self::List(_, entries) = self {
            entries.iter_mut().for_each(|entry| entry.each(change));
        }
        change(self);
    }

    /// Lists within each other; a digit alone has none.
    pub fn depth(&self) -> usize {
        match self {
            Self::Digit(_) => 0,
            Self::List(_, entries) => 1 + entries.iter().map(Self::depth).max().unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_the_expressions_that_they_came_from() {
        let tokens = grammar::parse("[MAX 4 3 [MIN 2 3 ] 1 [MED 7 8 9 ] ]").unwrap();
        let tree = Expression::of(&tokens).unwrap();
        assert_eq!((tree.tokens(), tree.value().unwrap(), tree.depth()), (tokens, 8, 2));
        assert!(Expression::of(&grammar::parse("[MAX 4").unwrap()).is_err());
    }
}
