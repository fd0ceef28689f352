//! The contrary.

use super::edits::{Edit, edited};
use super::phrases;
use crate::Effect;
use crate::change::Change;

/// Verbs after which "not" can stand.
const VERBS: [&str; 9] = ["is", "are", "was", "were", "will", "would", "could", "should", "must"];
const COUNT: [usize; 5] = [1, 2, 3, 4, 5];

pub(crate) const NEGATION: Change<String> = Change {
    name: "negation",
    about: "\"not\" after verbs such as is and was",
    effect: Effect::Directional,
    strength: |severity| format!("up to {}", severity.of(COUNT)),
    change: |text, severity, random, _| {
        let verbs = VERBS.iter().flat_map(|verb| phrases(text, verb));
        let edits = verbs.filter(|at| !text[at.end..].trim_start().starts_with("not"));
        let edits = edits.map(|at| Edit::new(at.end..at.end, " not"));
        edited(text, edits, severity.of(COUNT), random)
    },
};

#[cfg(test)]
mod tests {
    use super::super::testing::changed;
    use super::*;

    #[test]
    fn what_is_said_is_denied_once() {
        assert_eq!(changed(&NEGATION, "It was good, isn't it?"), "It was not good, isn't it?");
        assert_eq!(changed(&NEGATION, "It is. It will not."), "It is not. It will not.");
    }
}
