//! Slips of the fingers.

use rand::seq::IndexedRandom;

use super::edits::{Edit, edited};
use super::{CHARACTERS, characters, part};
use crate::Effect;
use crate::change::Change;

pub(crate) const SWAPS: Change<String> = Change {
    name: "typos",
    about: "neighbouring letters swapped",
    effect: Effect::Invariant,
    strength: |severity| format!("{}% of the characters", 100.0 * severity.of(CHARACTERS)),
    change: |text, severity, random, _| {
        let letters: Vec<_> = characters(text).collect();
        let swaps = letters.windows(2).filter_map(|pair| {
            let [(first, a), (second, b)] = pair else { return None };
            let differ = a.is_alphanumeric() && b.is_alphanumeric() && a != b;
            differ.then(|| Edit::new(first.start..second.end, [*b, *a].iter().collect::<String>()))
        });
        edited(text, swaps, part(severity.of(CHARACTERS), letters.len()), random)
    },
};

pub(crate) const KEYBOARD: Change<String> = Change {
    name: "keyboard-typos",
    about: "letters replaced by their neighbours on a keyboard",
    effect: Effect::Invariant,
    strength: |severity| format!("{}% of the characters", 100.0 * severity.of(CHARACTERS)),
    change: |text, severity, random, _| {
        let count = part(severity.of(CHARACTERS), text.chars().count());
        let edits: Vec<_> = characters(text)
            .filter_map(|(at, letter)| {
                let beside = *beside(letter.to_ascii_lowercase()).choose(random)?;
                let beside =
                    if letter.is_uppercase() { beside.to_ascii_uppercase() } else { beside };
                Some(Edit::new(at, beside))
            })
            .collect();
        edited(text, edits, count, random)
    },
};

/// Rows of a QWERTY keyboard; each begins half a key further to the right.
const ROWS: [&str; 3] = ["qwertyuiop", "asdfghjkl", "zxcvbnm"];

/// The letters on the keys that touch this one's.
fn beside(letter: char) -> Vec<char> {
    let keys = ROWS.iter().enumerate().flat_map(|(row, letters)| {
        let row = row as i32;
        letters.chars().enumerate().map(move |(key, letter)| (letter, row, 2 * key as i32 + row))
    });
    let Some((_, row, place)) = keys.clone().find(|key| key.0 == letter) else { return Vec::new() };
    keys.filter(|&(other, r, p)| {
        other != letter && (p - place).abs() <= 2 - (r - row).abs() && (r - row).abs() < 2
    })
    .map(|key| key.0)
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::changed;
    use super::*;

    #[test]
    fn neighbours_swap_and_nothing_else() {
        let text = "the quick brown fox jumps over the lazy dog, and the dog sleeps on";
        let after = changed(&SWAPS, text);
        let (before, after): (Vec<_>, Vec<_>) = (text.chars().collect(), after.chars().collect());
        let mut at = 0;
        let mut swaps = 0;
        while at < before.len() {
            if before[at] == after[at] {
                at += 1;
            } else {
                assert_eq!([before[at], before[at + 1]], [after[at + 1], after[at]]);
                (at, swaps) = (at + 2, swaps + 1);
            }
        }
        assert_eq!(swaps, part(0.2, before.len()));
    }

    #[test]
    fn keys_have_the_neighbours_that_they_touch() {
        assert_eq!(beside('q'), ['w', 'a']);
        assert_eq!(beside('g'), ['t', 'y', 'f', 'h', 'v', 'b']);
        assert!(beside('!').is_empty());
        let after = changed(&KEYBOARD, "GGGGG ggggg");
        let differ = after.chars().zip("GGGGG ggggg".chars()).filter(|(a, b)| a != b).count();
        assert_eq!(differ, 3);
        assert!(after[..5].chars().all(char::is_uppercase), "{after}");
    }
}
