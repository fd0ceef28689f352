//! Capitals and small letters.

use super::edits::{Edit, edited};
use super::{PLACES, characters, part, runs};
use crate::change::Change;
use crate::{Effect, Severity};

pub(crate) const UPPER: Change<String> = Change {
    name: "upper-case",
    about: "words in capitals",
    effect: Effect::Invariant,
    strength: words,
    change: |text, severity, random, _| {
        let edits = words_in(text, str::to_uppercase);
        let count = part(severity.of(PLACES), edits.len());
        edited(text, edits, count, random)
    },
};

pub(crate) const LOWER: Change<String> = Change {
    name: "lower-case",
    about: "words without capitals",
    effect: Effect::Invariant,
    strength: words,
    change: |text, severity, random, _| {
        let edits = words_in(text, str::to_lowercase);
        let count = part(severity.of(PLACES), edits.len());
        edited(text, edits, count, random)
    },
};

/// Share of the letters whose case is another.
const LETTERS: [f64; 5] = [0.05, 0.1, 0.2, 0.35, 0.5];

pub(crate) const RANDOM: Change<String> = Change {
    name: "random-case",
    about: "capitals for small letters and the other way round",
    effect: Effect::Invariant,
    strength: |severity| format!("{}% of the letters", 100.0 * severity.of(LETTERS)),
    change: |text, severity, random, _| {
        let edits: Vec<_> = characters(text)
            .filter_map(|(at, letter)| {
                let small = letter.to_string();
                let other =
                    if letter.is_uppercase() { small.to_lowercase() } else { small.to_uppercase() };
                (other != small).then(|| Edit::new(at, other))
            })
            .collect();
        let count = part(severity.of(LETTERS), edits.len());
        edited(text, edits, count, random)
    },
};

fn words(severity: Severity) -> String {
    format!("{}% of the words", 100.0 * severity.of(PLACES))
}

/// The words that `case` changes.
fn words_in(text: &str, case: fn(&str) -> String) -> Vec<Edit> {
    let words = runs(text, char::is_alphanumeric).into_iter();
    let edits = words.map(|at| Edit::new(at.clone(), case(&text[at])));
    edits.filter(|edit| text[edit.at.clone()] != edit.with).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::changed;
    use super::*;

    #[test]
    fn case_changes_and_nothing_else() {
        assert_eq!(changed(&UPPER, "It was, in 1 word, Straße."), "IT WAS, IN 1 WORD, STRASSE.");
        assert_eq!(changed(&LOWER, "It was GOOD."), "it was good.");
        let (text, random) = ("abcdefghij", changed(&RANDOM, "abcdefghij"));
        assert_eq!(random.to_lowercase(), text);
        assert_eq!(random.chars().filter(|letter| letter.is_uppercase()).count(), 5);
    }
}
