//! Changes of texts.

use std::ops::Range;

pub(crate) mod case;
pub(crate) mod contractions;
pub(crate) mod distractor;
mod edits;
pub(crate) mod letters;
pub(crate) mod look_alikes;
pub(crate) mod markup;
pub(crate) mod negation;
pub(crate) mod numbers;
pub(crate) mod punctuation;
pub(crate) mod truncation;
pub(crate) mod typos;
pub(crate) mod whitespace;

/// Share of the characters that are changed.
const CHARACTERS: [f64; 5] = [0.01, 0.02, 0.05, 0.1, 0.2];
/// Share of the places that are changed, where there are few.
const PLACES: [f64; 5] = [0.2, 0.4, 0.6, 0.8, 1.0];

/// This share of `count`, at least 1.
fn part(share: f64, count: usize) -> usize {
    ((share * count as f64).ceil() as usize).max(1)
}

/// Characters and where they are.
fn characters(text: &str) -> impl Iterator<Item = (Range<usize>, char)> {
    text.char_indices().map(|(at, character)| (at..at + character.len_utf8(), character))
}

/// Where `belongs` holds of all characters, as far as that goes.
fn runs(text: &str, belongs: impl Fn(char) -> bool) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (at, _) in characters(text).filter(|&(_, character)| belongs(character)) {
        match runs.last_mut() {
            Some(run) if run.end == at.start => run.end = at.end,
            _ => runs.push(at),
        }
    }
    runs
}

/// Where `phrase`, in lower case, is a whole phrase of the text.
fn phrases(text: &str, phrase: &str) -> Vec<Range<usize>> {
    let inside = |character: Option<char>| {
        character.is_some_and(|character| character.is_alphanumeric() || character == '\'')
    };
    let lower = text.to_ascii_lowercase();
    let found = lower.match_indices(phrase).map(|(at, _)| at..at + phrase.len());
    found
        .filter(|at| {
            let (before, after) = (text[..at.start].chars(), text[at.end..].chars());
            !inside(before.last()) && !inside({ after }.next())
        })
        .collect()
}

#[cfg(test)]
mod testing {
    use super::*;
    use crate::change::Change;
    use crate::{Severity, seed};

    /// `text`, changed at severity 5.
    pub(super) fn changed(change: &Change<String>, text: &str) -> String {
        let random = &mut seed::generator(change.name, &[]);
        (change.change)(&text.to_owned(), Severity::ALL[4], random, &[]).unwrap()
    }

    #[test]
    fn phrases_are_whole_ones_in_any_case() {
        let text = "Do not, I do nothing: DO NOT. Don't undo not";
        assert_eq!(phrases(text, "do not"), [0..6, 22..28]);
        assert_eq!(runs("ab é1, 23", char::is_alphanumeric), [0..2, 3..6, 8..10]);
        assert_eq!((part(0.01, 5), part(0.2, 10), part(1.0, 3)), (1, 2, 3));
    }
}
