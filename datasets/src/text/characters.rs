//! Texts as sequences of characters: a vocabulary of Unicode characters, numbered from
//! [`FIRST`].

use std::collections::HashMap;

use anyhow::{Result, ensure};

use crate::examples::tokens::{END, FIRST, PAD, UNKNOWN};

/// A token is a byte.
const MOST: usize = 256 - FIRST as usize;

/// How often each character occurs.
#[derive(Debug, Default)]
pub struct Counts(HashMap<char, u64>);

impl Counts {
    /// Counts the characters of a text that are kept where a sequence has at most `max_length`
    /// tokens, its end token included.
    pub fn add(&mut self, text: &str, max_length: usize) {
        for character in kept(text, max_length) {
            *self.0.entry(character).or_default() += 1;
        }
    }

    /// The characters with at least `least` occurrences, the most frequent first (those of equal
    /// frequency in the order of their code points), as the official code numbers them. Of more
    /// than 253 the most frequent.
    pub fn frequent(self, least: u64) -> String {
        let mut counts: Vec<_> = self.0.into_iter().filter(|(_, count)| *count >= least).collect();
        counts.sort_by_key(|&(character, count)| (std::cmp::Reverse(count), character));
        counts.into_iter().take(MOST).map(|(character, _)| character).collect()
    }
}

/// Characters and their tokens.
#[derive(Debug)]
pub struct Vocabulary {
    /// Numbers of the first 128 characters, which are nearly all.
    ascii: [u8; 128],
    others: HashMap<char, u8>,
    /// All of them in the order of their tokens.
    characters: Vec<char>,
}

impl Vocabulary {
    /// The vocabulary of these characters, in the order of their tokens.
    ///
    /// # Errors
    /// If a character is given twice, or more than 253 are given.
    pub fn new(characters: &str) -> Result<Self> {
        let mut ascii = [UNKNOWN; 128];
        let mut others = HashMap::new();
        for (number, character) in (usize::from(FIRST)..).zip(characters.chars()) {
            ensure!(number < 256, "a vocabulary has at most {MOST} characters");
            let token = number as u8;
            let known = match ascii.get_mut(character as usize) {
                Some(slot) => std::mem::replace(slot, token) != UNKNOWN,
                None => others.insert(character, token).is_some(),
            };
            ensure!(!known, "{character:?} is twice in the vocabulary");
        }
        Ok(Self { ascii, others, characters: characters.chars().collect() })
    }

    /// Number of different tokens: the characters, padding, unknown and end.
    pub fn size(&self) -> usize {
        usize::from(FIRST) + self.characters.len()
    }

    /// The tokens of a text, at most `max_length` with the end token.
    pub fn tokens(&self, text: &str, max_length: usize) -> impl Iterator<Item = u8> {
        kept(text, max_length).map(|character| self.token(character)).chain([END])
    }

    /// The text that tokens stand for; unknown characters are `\u{fffd}`, padding and end nothing.
    pub fn text(&self, tokens: &[i64]) -> String {
        let is_shown = |token: &&i64| ![PAD, END].map(i64::from).contains(token);
        let character = |token: &i64| {
            let number = usize::try_from(token - i64::from(FIRST)).ok()?;
            self.characters.get(number).copied()
        };
        let shown = tokens.iter().filter(is_shown);
        shown.map(|token| character(token).unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    }

    fn token(&self, character: char) -> u8 {
        match self.ascii.get(character as usize) {
            Some(&token) => token,
            None => self.others.get(&character).copied().unwrap_or(UNKNOWN),
        }
    }
}

/// The setting `data.max_length`, if it leaves room for a character beside the end token.
///
/// # Errors
/// If it does not.
pub fn max_length(length: usize) -> Result<usize> {
    ensure!(
        length > 1,
        "data.max_length is {length}; it must be at least 2, the end token being one"
    );
    Ok(length)
}

/// The characters that leave room for the end token.
fn kept(text: &str, max_length: usize) -> impl Iterator<Item = char> {
    text.chars().take(max_length.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequent_characters_come_first_and_rare_ones_not_at_all() {
        let mut counts = Counts::default();
        counts.add("ccccbbaaé", 100);
        counts.add("éx", 100);
        assert_eq!(counts.frequent(2), "cabé");
        let mut counts = Counts::default();
        counts.add("aabbbb", 4);
        assert_eq!(counts.frequent(2), "a", "of three kept characters");
        let mut counts = Counts::default();
        counts.add(&('一'..'丁').chain('\u{3400}'..'\u{3600}').collect::<String>(), 9999);
        assert_eq!(counts.frequent(1).chars().count(), 253);
    }

    #[test]
    fn a_text_is_cut_and_ended() {
        let vocabulary = Vocabulary::new("abé").unwrap();
        assert_eq!(vocabulary.size(), 6);
        let tokens = |text, max_length| vocabulary.tokens(text, max_length).collect::<Vec<_>>();
        assert_eq!(tokens("béxa一", 6), [4, 5, 1, 3, 1, 2]);
        assert_eq!(tokens("béxa一", 5), [4, 5, 1, 3, 2]);
        assert_eq!(tokens("", 5), [2]);
        assert_eq!(vocabulary.text(&[4, 5, 1, 3, 1, 2, 0]), "bé\u{fffd}a\u{fffd}");
    }

    #[test]
    fn what_a_byte_cannot_tell_apart_is_refused() {
        assert!(Vocabulary::new("aba").unwrap_err().to_string().contains("'a' is twice"));
        assert!(Vocabulary::new("éé").is_err());
        let many: String = ('\u{3400}'..'\u{3600}').collect();
        assert!(Vocabulary::new(&many).unwrap_err().to_string().contains("at most 253"));
    }
}
