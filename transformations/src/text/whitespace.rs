//! Gaps between words.

use rand::Rng;

use super::edits::{Edit, edited};
use super::{part, runs};
use crate::Effect;
use crate::change::Change;

/// Share of the gaps that are another.
const GAPS: [f64; 5] = [0.02, 0.05, 0.1, 0.2, 0.4];

pub(crate) const WHITESPACE: Change<String> = Change {
    name: "whitespace",
    about: "gaps between words doubled, or left out",
    effect: Effect::Invariant,
    strength: |severity| format!("{}% of the gaps", 100.0 * severity.of(GAPS)),
    change: |text, severity, random, _| {
        let gaps = runs(text, char::is_whitespace);
        let count = part(severity.of(GAPS), gaps.len());
        let edits: Vec<_> = gaps
            .into_iter()
            .map(|at| {
                let twice = text[at.clone()].repeat(2);
                Edit::new(at, if random.random() { twice } else { String::new() })
            })
            .collect();
        edited(text, edits, count, random)
    },
};

#[cfg(test)]
mod tests {
    use super::super::testing::changed;
    use super::*;

    #[test]
    fn only_gaps_change() {
        let text = "one two three four five six";
        let after = changed(&WHITESPACE, text);
        assert_ne!(after, text);
        assert_eq!(after.replace(' ', ""), text.replace(' ', ""));
    }
}
