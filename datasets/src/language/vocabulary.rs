//! What the tokens of a language model are, and how texts become them.
//!
//! Token 0 stands before every text: the end of a line among words, what is unknown among
//! characters.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use anyhow::{Result, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::Display;

use crate::metric::Metric;

/// The token before every text.
pub const START: u32 = 0;
/// Ends a line of words, as in the official code: blank lines, too.
const END_OF_LINE: &str = "<eos>";
const UNKNOWN: &str = "<unk>";
const BYTES: usize = 256;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Unit {
    /// What stands between white space, and the end of a line.
    Words,
    /// A Unicode character.
    Characters,
    /// A byte.
    Bytes,
}

impl Unit {
    /// By what models of such tokens are compared.
    pub fn metric(self) -> Metric {
        match self {
            Unit::Words => Metric::PERPLEXITY,
            Unit::Characters => Metric::BITS_PER_CHARACTER,
            Unit::Bytes => Metric::BITS_PER_BYTE,
        }
    }
}

/// Tokens and what they stand for.
#[derive(Debug, Clone)]
pub struct Vocabulary {
    unit: Unit,
    /// What each token stands for; none of bytes.
    spellings: Vec<String>,
    tokens: HashMap<String, u32>,
    unknown: u32,
}

impl Vocabulary {
    /// That of a text which is learned from. Words are numbered by how often they occur, those of
    /// equal count as they are first seen; characters by their code points.
    pub fn of(unit: Unit, text: &str) -> Self {
        let spellings = match unit {
            Unit::Words => words(text),
            Unit::Characters => {
                let characters: BTreeSet<char> = text.chars().collect();
                characters.into_iter().map(String::from).collect()
            }
            Unit::Bytes => Vec::new(),
        };
        Self::new(unit, spellings)
    }

    /// The vocabulary that [`Self::kept`] wrote down.
    ///
    /// # Errors
    /// If a word or character is in it twice.
    pub fn read(unit: Unit, kept: &str) -> Result<Self> {
        let spellings: Vec<String> = match unit {
            Unit::Words => kept.split_whitespace().map(str::to_owned).collect(),
            Unit::Characters => kept.chars().map(String::from).collect(),
            Unit::Bytes => Vec::new(),
        };
        let count = spellings.len();
        let vocabulary = Self::new(unit, spellings);
        ensure!(
            vocabulary.tokens.len() == count + vocabulary.before(),
            "it has one of the {unit} twice"
        );
        Ok(vocabulary)
    }

    fn new(unit: Unit, mut spellings: Vec<String>) -> Self {
        if unit == Unit::Characters {
            spellings.insert(0, char::REPLACEMENT_CHARACTER.to_string());
        }
        let numbered = spellings.iter().zip(0..);
        let tokens: HashMap<_, _> =
            numbered.map(|(spelling, token)| (spelling.clone(), token)).collect();
        let unknown = tokens.get(UNKNOWN).copied().filter(|_| unit == Unit::Words);
        Self { unit, spellings, tokens, unknown: unknown.unwrap_or(START) }
    }

    /// Tokens in front of those that are kept.
    fn before(&self) -> usize {
        usize::from(self.unit == Unit::Characters)
    }

    /// All of it as a line, to be kept with a run; none of bytes.
    pub fn kept(&self) -> Option<String> {
        match self.unit {
            Unit::Words => Some(self.spellings.join(" ")),
            Unit::Characters => Some(self.spellings[self.before()..].concat()),
            Unit::Bytes => None,
        }
    }

    /// Number of different tokens.
    pub fn size(&self) -> usize {
        if self.unit == Unit::Bytes { BYTES } else { self.spellings.len() }
    }

    /// What a token is.
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// The tokens of a text. Words and characters that are not in the vocabulary are unknown.
    pub fn encode(&self, text: &[u8]) -> Vec<u32> {
        let token = |spelling: &str| self.tokens.get(spelling).copied().unwrap_or(self.unknown);
        match self.unit {
            Unit::Bytes => text.iter().map(|&byte| byte.into()).collect(),
            Unit::Characters => {
                let mut buffer = [0; 4];
                let text = String::from_utf8_lossy(text);
                text.chars().map(|character| token(character.encode_utf8(&mut buffer))).collect()
            }
            Unit::Words => {
                let text = String::from_utf8_lossy(text);
                let mut tokens = Vec::new();
                for line in text.split_inclusive('\n') {
                    tokens.extend(line.split_whitespace().map(token));
                    if line.ends_with('\n') {
                        tokens.push(token(END_OF_LINE));
                    }
                }
                tokens
            }
        }
    }

    /// The text that tokens stand for.
    pub fn decode(&self, tokens: &[u32]) -> String {
        let spelling =
            |token: &u32| self.spellings.get(*token as usize).map_or("?", String::as_str);
        match self.unit {
            Unit::Bytes => {
                let bytes: Vec<u8> = tokens.iter().map(|&token| token as u8).collect();
                String::from_utf8_lossy(&bytes).into_owned()
            }
            Unit::Characters => tokens.iter().map(spelling).collect(),
            Unit::Words => {
                let mut text = String::new();
                for word in tokens.iter().map(spelling) {
                    if word == END_OF_LINE {
                        text.push('\n');
                        continue;
                    }
                    if !text.is_empty() && !text.ends_with('\n') {
                        text.push(' ');
                    }
                    text.push_str(word);
                }
                text
            }
        }
    }
}

/// The end of a line, then all words.
fn words(text: &str) -> Vec<String> {
    let mut counts: HashMap<&str, (u64, usize)> = HashMap::new();
    for word in text.split_whitespace() {
        let first_seen = counts.len();
        counts.entry(word).or_insert((0, first_seen)).0 += 1;
    }
    counts.remove(END_OF_LINE);
    let mut words: Vec<_> = counts.into_iter().collect();
    words.sort_unstable_by_key(|&(_, (count, first_seen))| (Reverse(count), first_seen));
    let words = words.into_iter().map(|(word, _)| word.to_owned());
    let mut all: Vec<String> = [END_OF_LINE.to_owned()].into_iter().chain(words).collect();
    if !all.iter().any(|word| word == UNKNOWN) {
        all.push(UNKNOWN.to_owned());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_numbered_by_count_and_lines_end() {
        let text = " = A =\n\n the b the c <unk>\n";
        let vocabulary = Vocabulary::of(Unit::Words, text);
        assert_eq!(vocabulary.kept().unwrap(), "<eos> = the A b c <unk>");
        let tokens = vocabulary.encode(text.as_bytes());
        assert_eq!(tokens, [1, 3, 1, 0, 0, 2, 4, 2, 5, 6, 0]);
        assert_eq!(vocabulary.encode(b"the new"), [2, 6], "the line goes on");
        assert_eq!(vocabulary.decode(&tokens), "= A =\n\nthe b the c <unk>\n");
    }

    #[test]
    fn what_is_kept_is_read_back() {
        let text = "naïve words\nand lines";
        for unit in [Unit::Words, Unit::Characters, Unit::Bytes] {
            let vocabulary = Vocabulary::of(unit, text);
            let kept = vocabulary.kept().unwrap_or_default();
            let again = Vocabulary::read(unit, &kept).unwrap();
            assert_eq!(again.size(), vocabulary.size(), "{unit}");
            let tokens = again.encode(text.as_bytes());
            assert_eq!(tokens, vocabulary.encode(text.as_bytes()), "{unit}");
            assert_eq!(again.decode(&tokens), text, "{unit}");
        }
        assert!(Vocabulary::read(Unit::Characters, "aba").is_err());
        assert!(Vocabulary::read(Unit::Words, "a b a").is_err());
    }

    #[test]
    fn unknown_characters_are_token_0() {
        let vocabulary = Vocabulary::of(Unit::Characters, "ab");
        assert_eq!((vocabulary.size(), vocabulary.encode("xbé".as_bytes())), (3, vec![0, 2, 0]));
        assert_eq!(vocabulary.decode(&[0, 1]), "\u{fffd}a");
    }
}
