//! Texts of which a part is missing.

use super::characters;
use crate::change::Change;
use crate::{Effect, Severity};

/// Share of the characters that is cut off.
const SHARE: [f64; 5] = [0.1, 0.2, 0.3, 0.4, 0.5];

pub(crate) const END: Change<String> = Change {
    name: "end-cut",
    about: "the end cut off",
    effect: Effect::Directional,
    strength: |severity| format!("{}% of the characters", 100.0 * severity.of(SHARE)),
    change: |text, severity, _, _| {
        let count = text.chars().count();
        Ok(text[..start(text, count - cut(count, severity))].to_owned())
    },
};

pub(crate) const BEGINNING: Change<String> = Change {
    name: "beginning-cut",
    about: "the beginning cut off",
    effect: Effect::Directional,
    strength: |severity| format!("{}% of the characters", 100.0 * severity.of(SHARE)),
    change: |text, severity, _, _| {
        let count = text.chars().count();
        Ok(text[start(text, cut(count, severity))..].to_owned())
    },
};

/// How many of `count` characters are cut off, rounded down.
fn cut(count: usize, severity: Severity) -> usize {
    (severity.of(SHARE) * count as f64) as usize
}

/// Where the character `number` begins.
fn start(text: &str, number: usize) -> usize {
    characters(text).nth(number).map_or(text.len(), |(at, _)| at.start)
}

#[cfg(test)]
mod tests {
    use super::super::testing::changed;
    use super::*;

    #[test]
    fn a_half_is_left() {
        assert_eq!(changed(&END, "äbcdefghij"), "äbcde");
        assert_eq!(changed(&BEGINNING, "äbcdefghij"), "fghij");
        assert_eq!(changed(&END, "a"), "a");
    }
}
