//! Sentences that have nothing to do with it.

use rand::seq::IndexedRandom;

use crate::Effect;
use crate::change::Change;

const SENTENCES: [&str; 12] = [
    "The train to the coast leaves at noon.",
    "It rained in the morning and was dry after that.",
    "There are seven days in a week.",
    "The library is next to the town hall.",
    "Water boils at a lower temperature on a mountain.",
    "The shop opens at nine and closes at six.",
    "A map of the city hangs in the hall.",
    "The river runs from north to south.",
    "The keys are on the table.",
    "The wind came from the west on Tuesday.",
    "Most of the houses in the street have two floors.",
    "The meeting is in the room on the first floor.",
];
const COUNT: [usize; 5] = [1, 2, 3, 4, 5];

pub(crate) const DISTRACTOR: Change<String> = Change {
    name: "distractor",
    about: "neutral sentences appended, about the weather and the like",
    effect: Effect::Invariant,
    strength: |severity| format!("{} sentences", severity.of(COUNT)),
    change: |text, severity, random, _| {
        let sentences = SENTENCES.choose_multiple(random, severity.of(COUNT));
        Ok(sentences.fold(text.clone(), |text, sentence| {
            let gap = if text.is_empty() || text.ends_with(char::is_whitespace) { "" } else { " " };
            text + gap + sentence
        }))
    },
};

#[cfg(test)]
mod tests {
    use super::super::testing::changed;
    use super::*;

    #[test]
    fn sentences_are_appended_and_are_all_different() {
        let text = changed(&DISTRACTOR, "A fine film.");
        let appended = text.strip_prefix("A fine film. ").unwrap();
        let found = SENTENCES.iter().filter(|sentence| appended.contains(*sentence));
        assert_eq!(found.count(), 5);
    }
}
