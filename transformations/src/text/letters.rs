//! Letters too few and too many.

use rand::Rng;

use super::edits::{Edit, edited};
use super::{CHARACTERS, characters, part};
use crate::Effect;
use crate::change::Change;

pub(crate) const MISSING: Change<String> = Change {
    name: "missing-letters",
    about: "letters left out",
    effect: Effect::Invariant,
    strength: |severity| format!("{}% of the characters", 100.0 * severity.of(CHARACTERS)),
    change: |text, severity, random, _| {
        let count = part(severity.of(CHARACTERS), text.chars().count());
        let letters = characters(text).filter(|(_, letter)| letter.is_alphabetic());
        edited(text, letters.map(|(at, _)| Edit::new(at, "")), count, random)
    },
};

pub(crate) const ADDED: Change<String> = Change {
    name: "added-letters",
    about: "random letters within words",
    effect: Effect::Invariant,
    strength: |severity| format!("{}% of the characters", 100.0 * severity.of(CHARACTERS)),
    change: |text, severity, random, _| {
        let count = part(severity.of(CHARACTERS), text.chars().count());
        let letters: Vec<_> = characters(text)
            .filter(|(_, letter)| letter.is_alphabetic())
            .map(|(at, _)| Edit::new(at.end..at.end, random.random_range('a'..='z')))
            .collect();
        edited(text, letters, count, random)
    },
};

#[cfg(test)]
mod tests {
    use super::super::testing::changed;
    use super::*;

    #[test]
    fn letters_come_and_go() {
        let text = "twenty characters, é";
        assert_eq!(text.chars().count(), 20);
        assert_eq!(changed(&MISSING, text).chars().count(), 16);
        let longer = changed(&ADDED, text);
        assert_eq!(longer.chars().count(), 24);
        let mut rest = longer.chars();
        assert!(text.chars().all(|letter| rest.any(|other| other == letter)), "{longer}");
    }
}
