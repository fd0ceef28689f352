//! Other numbers.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::edits::{Edit, edited};
use super::{PLACES, part, runs};
use crate::Effect;
use crate::change::Change;

pub(crate) const NUMBERS: Change<String> = Change {
    name: "other-numbers",
    about: "numbers replaced by others of as many digits",
    // A rating, 3/10, may have decided.
    effect: Effect::Directional,
    strength: |severity| format!("{}% of the numbers", 100.0 * severity.of(PLACES)),
    change: |text, severity, random, _| {
        let numbers = runs(text, |character| character.is_ascii_digit());
        let count = part(severity.of(PLACES), numbers.len());
        let edits: Vec<_> = numbers
            .into_iter()
            .map(|at| {
                let with = another(&text[at.clone()], random);
                Edit::new(at, with)
            })
            .collect();
        edited(text, edits, count, random)
    },
};

fn another(number: &str, random: &mut ChaCha8Rng) -> String {
    loop {
        let other: String = (0..number.len())
            .map(|place| {
                let least = if place == 0 && number.len() > 1 { '1' } else { '0' };
                random.random_range(least..='9')
            })
            .collect();
        if other != number {
            return other;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::changed;
    use super::*;

    #[test]
    fn numbers_become_others_of_as_many_digits() {
        let text = "In 1999 it was 7/10, not 0.";
        let after = changed(&NUMBERS, text);
        let digits = |character: char| character.is_ascii_digit();
        assert_eq!(after.replace(digits, "#"), text.replace(digits, "#"));
        let numbers = |text: &str| -> Vec<String> {
            runs(text, digits).into_iter().map(|at| text[at].to_owned()).collect()
        };
        assert!(numbers(&after).iter().zip(numbers(text)).all(|(a, b)| *a != b), "{after}");
    }
}
