//! Characters that look alike, to people or to a scanner.

use super::edits::{Edit, edited};
use super::{CHARACTERS, characters, part};
use crate::Effect;
use crate::change::Change;

/// Cyrillic and Greek for Latin letters.
const HOMOGLYPH: &[(char, &str)] = &[
    ('a', "а"),
    ('c', "с"),
    ('d', "ԁ"),
    ('e', "е"),
    ('h', "һ"),
    ('i', "і"),
    ('j', "ј"),
    ('o', "о"),
    ('p', "р"),
    ('q', "ԛ"),
    ('s', "ѕ"),
    ('v', "ν"),
    ('w', "ԝ"),
    ('x', "х"),
    ('y', "у"),
    ('A', "А"),
    ('B', "В"),
    ('C', "С"),
    ('E', "Е"),
    ('H', "Н"),
    ('I', "І"),
    ('J', "Ј"),
    ('K', "К"),
    ('M', "М"),
    ('N', "Ν"),
    ('O', "О"),
    ('P', "Р"),
    ('S', "Ѕ"),
    ('T', "Т"),
    ('X', "Х"),
    ('Y', "Υ"),
    ('Z', "Ζ"),
];

/// What optical character recognition reads for a character.
const MISREAD: &[(char, &str)] = &[
    ('a', "o"),
    ('b', "6"),
    ('c', "e"),
    ('d', "cl"),
    ('e', "c"),
    ('g', "9"),
    ('h', "b"),
    ('i', "l"),
    ('l', "1"),
    ('m', "rn"),
    ('n', "ri"),
    ('o', "0"),
    ('q', "g"),
    ('s', "5"),
    ('t', "f"),
    ('u', "v"),
    ('w', "vv"),
    ('z', "2"),
    ('B', "8"),
    ('D', "O"),
    ('G', "6"),
    ('I', "l"),
    ('O', "0"),
    ('S', "5"),
    ('Z', "2"),
    ('0', "O"),
    ('1', "l"),
    ('5', "S"),
    ('6', "b"),
    ('8', "B"),
];

pub(crate) const HOMOGLYPHS: Change<String> = Change {
    name: "homoglyphs",
    about: "Latin letters replaced by Cyrillic and Greek ones that look the same",
    effect: Effect::Invariant,
    strength: |severity| format!("{}% of the characters", 100.0 * severity.of(CHARACTERS)),
    change: |text, severity, random, _| {
        let count = part(severity.of(CHARACTERS), text.chars().count());
        edited(text, alike(text, HOMOGLYPH), count, random)
    },
};

pub(crate) const OCR: Change<String> = Change {
    name: "ocr",
    about: "characters misread as by a scanner: 0 for o, rn for m",
    effect: Effect::Invariant,
    strength: |severity| format!("{}% of the characters", 100.0 * severity.of(CHARACTERS)),
    change: |text, severity, random, _| {
        let count = part(severity.of(CHARACTERS), text.chars().count());
        edited(text, alike(text, MISREAD), count, random)
    },
};

fn alike(text: &str, table: &[(char, &str)]) -> impl Iterator<Item = Edit> {
    characters(text).filter_map(|(at, character)| {
        let (_, with) = table.iter().find(|(of, _)| *of == character)?;
        Some(Edit::new(at, *with))
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::changed;
    use super::*;

    #[test]
    fn characters_become_those_of_the_table() {
        assert!(HOMOGLYPH.iter().all(|(of, with)| of.is_ascii() && !with.is_ascii()));
        assert!(MISREAD.iter().all(|(of, with)| with.is_ascii() && of.to_string() != *with));
        let text = "ooooo zzzzz";
        let homoglyphs = changed(&HOMOGLYPHS, text);
        assert_eq!(homoglyphs.chars().count(), 11);
        assert_eq!(homoglyphs.chars().filter(|letter| !letter.is_ascii()).count(), 3);
        let ocr = changed(&OCR, text);
        assert_eq!(ocr.chars().filter(char::is_ascii_digit).count(), 3);
    }
}
