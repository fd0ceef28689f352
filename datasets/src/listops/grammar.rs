//! Expressions as tokens, as text and as numbers.
//!
//! An expression is a digit or an operator, two or more expressions, and `]`. Its tokens are read in
//! that order, without parentheses; the published text has them, in pairs: `[MAX 3 8 ]` stands there
//! as `( ( ( [MAX 3 ) 8 ) ] )`.

use anyhow::{Context, Result, bail, ensure};

use crate::examples::tokens::FIRST;

/// What a text consists of beside parentheses, in the order of their tokens from [`FIRST`] on.
pub const WORDS: [&str; 15] =
    ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "[MIN", "[MAX", "[MED", "[SM", "]"];

/// Padding, unknown, end and [`WORDS`].
pub const VOCABULARY: usize = FIRST as usize + WORDS.len();

/// Values of an expression.
pub const VALUES: u8 = 10;

/// Tokens of the longest expression that sequences have room for, before their end.
pub const LONGEST: usize = 2047;

/// Ends a list.
pub const CLOSE: u8 = FIRST + 14;

/// What is done with a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// The smallest value.
    Min,
    /// The largest value.
    Max,
    /// The median; of an even number of values the mean of the middle two, rounded down.
    Median,
    /// The sum modulo 10.
    SumModulo,
}

impl Operator {
    /// In the order of their tokens.
    pub const ALL: [Operator; 4] =
        [Operator::Min, Operator::Max, Operator::Median, Operator::SumModulo];

    /// Its token.
    pub fn token(self) -> u8 {
        FIRST + VALUES + self as u8
    }

    /// The operator of a token, if it is one.
    pub fn of(token: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|operator| operator.token() == token)
    }

    /// Its result for a list of digits, which is sorted in passing; 0 for none.
    pub fn apply(self, values: &mut [u8]) -> u8 {
        values.sort_unstable();
        let middle = values.len() / 2;
        match (self, &*values) {
            (_, []) => 0,
            (Operator::Min, [least, ..]) => *least,
            (Operator::Max, [.., most]) => *most,
            (Operator::Median, _) if values.len() % 2 == 1 => values[middle],
            (Operator::Median, _) => (values[middle - 1] + values[middle]) / 2,
            (Operator::SumModulo, _) => values.iter().fold(0, |sum, value| (sum + value) % VALUES),
        }
    }
}

/// The token of a digit.
pub fn digit(value: u8) -> u8 {
    FIRST + value
}

/// The tokens of a published text. Whether they are an expression is for [`evaluate`] to say.
///
/// # Errors
/// If a word is none of [`WORDS`] and no parenthesis.
pub fn parse(text: &str) -> Result<Vec<u8>> {
    let words = text.split_whitespace().filter(|word| !matches!(*word, "(" | ")"));
    words
        .map(|word| {
            let number = WORDS.iter().position(|known| *known == word);
            let number = number.with_context(|| {
                format!("`{}` is no word of ListOps", word.chars().take(20).collect::<String>())
            })?;
            Ok(FIRST + number as u8)
        })
        .collect()
}

/// The value of an expression, 0 to 9.
///
/// # Errors
/// If the tokens are not one whole expression.
pub fn evaluate(tokens: &[u8]) -> Result<u8> {
    // Operators of the lists that are open, and where their values start.
    let mut open: Vec<(Operator, usize)> = Vec::new();
    let mut values = Vec::new();
    for (position, &token) in tokens.iter().enumerate() {
        ensure!(
            position == 0 || !open.is_empty(),
            "the expression ends after {position} tokens, but {} follow",
            tokens.len() - position
        );
        if let Some(operator) = Operator::of(token) {
            open.push((operator, values.len()));
        } else if token == CLOSE {
            let (operator, start) = open.pop().context("it begins with `]`")?;
            ensure!(values.len() > start, "token {} ends an empty list", position + 1);
            let value = operator.apply(&mut values[start..]);
            values.truncate(start);
            values.push(value);
        } else {
            ensure!((FIRST..FIRST + VALUES).contains(&token), "token {token} is none of ListOps");
            values.push(token - FIRST);
        }
    }
    match (&open[..], &values[..]) {
        ([], [value]) => Ok(*value),
        ([], _) => bail!("it is empty"),
        _ => bail!("it is cut off: {} lists are not ended", open.len()),
    }
}

/// The words of an expression without parentheses, as models get it; of other tokens, nothing.
pub fn plain(tokens: &[i64]) -> String {
    let number = |&token: &i64| usize::try_from(token - i64::from(FIRST)).ok();
    let words = tokens.iter().filter_map(number).filter_map(|number| WORDS.get(number));
    words.copied().collect::<Vec<_>>().join(" ")
}

/// The published text of an expression: parentheses in pairs, single spaces.
pub fn text(tokens: &[u8]) -> String {
    // Of each operator, in order: the entries of its list.
    let mut entries = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    for &token in tokens {
        if token == CLOSE {
            open.pop();
            continue;
        }
        if let Some(&list) = open.last() {
            entries[list] += 1;
        }
        if Operator::of(token).is_some() {
            open.push(entries.len());
            entries.push(0);
        }
    }
    let mut words = Vec::with_capacity(4 * tokens.len());
    let mut entries = entries.into_iter();
    let mut depth = 0;
    for &token in tokens {
        let word = WORDS[usize::from(token - FIRST)];
        if Operator::of(token).is_some() {
            // One for each entry and one for the end.
            let pairs = entries.next().unwrap_or(0) + 1;
            words.extend(std::iter::repeat_n("(", pairs));
            words.push(word);
            depth += 1;
            continue;
        }
        words.push(word);
        if token == CLOSE {
            words.push(")");
            depth -= 1;
        }
        if depth > 0 {
            words.push(")");
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Result<u8> {
        evaluate(&parse(text)?)
    }

    #[test]
    fn tokens_are_eighteen() {
        assert_eq!(VOCABULARY, 18);
        assert_eq!(parse("0 9 [MIN [SM ]").unwrap(), [3, 12, 13, 16, 17]);
        assert_eq!((digit(9), Operator::Min.token(), CLOSE), (12, 13, 17));
    }

    #[test]
    fn operators_do_as_published() {
        for (text, expected) in [
            ("7", 7),
            ("[MIN 4 2 8 ]", 2),
            ("[MAX 4 2 8 ]", 8),
            ("[MED 4 2 8 ]", 4),
            ("[MED 4 5 ]", 4), // 4.5
            ("[MED 9 1 4 8 ]", 6),
            ("[SM 9 9 9 9 9 9 9 9 9 9 ]", 0),
            ("[SM 5 6 ]", 1),
            ("[MAX 4 3 [MIN 2 3 ] 1 [MED 7 8 9 ] ]", 8),
            ("( ( ( [SM ( ( ( [MAX 3 ) 8 ) ] ) ) 4 ) ] )", 2),
        ] {
            assert_eq!(value(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_expression_says_why() {
        for (text, words) in [
            ("", "it is empty"),
            ("( )", "it is empty"),
            ("[MIN 4 [MAX 2", "cut off: 2 lists"),
            ("[MIN 4 2 ] ]", "ends after 4 tokens, but 1 follow"),
            ("3 4", "ends after 1 tokens"),
            ("] 4", "begins with `]`"),
            ("[MIN 4 [SM ] ]", "token 4 ends an empty list"),
            ("[MIN 4 [AVG 2 ] ]", "`[AVG` is no word"),
            ("[MIN 4 10 ]", "`10` is no word"),
        ] {
            let message = format!("{:#}", value(text).unwrap_err());
            assert!(message.contains(words), "{text}: {message}");
        }
        assert!(evaluate(&[13, 3, 2]).unwrap_err().to_string().contains("token 2"));
    }

    #[test]
    fn text_nests_to_the_left() {
        for published in [
            "5",
            "( ( ( [MAX 3 ) 8 ) ] )",
            "( ( ( ( [SM ( ( ( [MAX 3 ) 8 ) ] ) ) 4 ) ( ( ( [MED 1 ) 0 ) ] ) ) ] )",
        ] {
            assert_eq!(text(&parse(published).unwrap()), published);
        }
    }
}
