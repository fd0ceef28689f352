//! Punctuation.

use super::edits::{Edit, edited};
use super::{PLACES, characters, part};
use crate::Effect;
use crate::change::Change;

pub(crate) const PUNCTUATION: Change<String> = Change {
    name: "no-punctuation",
    about: "punctuation left out",
    effect: Effect::Invariant,
    strength: |severity| format!("{}% of it", 100.0 * severity.of(PLACES)),
    change: |text, severity, random, _| {
        let marks = characters(text).filter(|(_, character)| character.is_ascii_punctuation());
        let edits: Vec<_> = marks.map(|(at, _)| Edit::new(at, "")).collect();
        let count = part(severity.of(PLACES), edits.len());
        edited(text, edits, count, random)
    },
};

#[cfg(test)]
mod tests {
    use super::super::testing::changed;
    use super::*;

    #[test]
    fn words_and_gaps_are_left() {
        assert_eq!(changed(&PUNCTUATION, "Well, it's (not) 1."), "Well its not 1");
    }
}
