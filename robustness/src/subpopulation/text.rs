//! Scores of texts: how often something occurs.

use anyhow::Result;
use transformations::content::{Content, Kind};

use super::{Known, Measure, Value};
use crate::subject::Item;

const fn counted(
    name: &'static str,
    about: &'static str,
    of: fn(&Item, &Known<'_>) -> Result<Option<Value>>,
) -> Measure {
    Measure { name, about, kinds: &[Kind::Text], is_number: true, of }
}

/// Words that deny.
pub(super) const NEGATIONS: Measure =
    counted("negations", "words that deny: not, never, don't ...", |item, _| {
        Ok(count(item, denials))
    });

/// Characters beyond ASCII.
pub(super) const NON_ASCII: Measure =
    counted("non-ascii", "characters beyond ASCII, or unknown to the model", |item, _| {
        Ok(count(item, |text| text.chars().filter(|c| !c.is_ascii()).count()))
    });

/// Digits.
pub(super) const DIGITS: Measure = counted("digits", "digits", |item, _| {
    Ok(count(item, |text| text.chars().filter(char::is_ascii_digit).count()))
});

/// HTML tags.
pub(super) const MARKUP: Measure = counted("markup", "HTML tags", |item, _| {
    Ok(count(item, |text| text.split('<').skip(1).filter(|rest| rest.contains('>')).count()))
});

fn count(item: &Item, of: impl Fn(&str) -> usize) -> Option<Value> {
    match &item.content {
        Content::Text(text) => Some(Value::Number(of(text) as f64)),
        _ => None,
    }
}

fn denials(text: &str) -> usize {
    const WORDS: [&str; 9] =
        ["not", "no", "never", "nothing", "nobody", "none", "neither", "nor", "cannot"];
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric() && c != '\'');
    words.filter(|word| WORDS.contains(word) || word.ends_with("n't")).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denials_are_words() {
        assert_eq!(denials("I did NOT like it, don't go. Nothing in Notting Hill."), 3);
    }
}
