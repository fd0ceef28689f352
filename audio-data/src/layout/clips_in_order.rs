//! A folder of clips that SaShiMi's experiments divide in order of name: the first 88 % are for
//! training, half of the rest for validation, the others for the test.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{Entry, audio_names_in};
use crate::part::Part;

const TRAIN_SHARE: f64 = 0.88;

/// The clips directly in `dir`. Where they are too few for three parts, they have no split.
pub(super) fn list(dir: &Path) -> Result<Vec<Entry>> {
    let mut entries: Vec<_> =
        audio_names_in(dir)?.into_iter().map(|name| Entry::new(PathBuf::from(name))).collect();
    entries.sort_by(|a, b| natural_order(&a.path.to_string_lossy(), &b.path.to_string_lossy()));
    let count = entries.len() as f64;
    // Rounded down in the same way as in the official code.
    let train = (TRAIN_SHARE * count) as usize;
    let val = ((TRAIN_SHARE + (1.0 - TRAIN_SHARE) / 2.0) * count) as usize;
    if 0 < train && train < val && val < entries.len() {
        for (i, entry) in entries.iter_mut().enumerate() {
            entry.split = Some(match i {
                i if i < train => Part::Train,
                i if i < val => Part::Val,
                _ => Part::Test,
            });
        }
    }
    Ok(entries)
}

/// Compares names as Python's `natsort` does: digits as numbers, `2.wav` before `10.wav`.
fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut rest_a, mut rest_b) = (a, b);
    loop {
        let (text_a, digits_a, next_a) = first_number(rest_a);
        let (text_b, digits_b, next_b) = first_number(rest_b);
        let order = text_a
            .cmp(text_b)
            // Without leading zeros, the longer number is the larger.
            .then_with(|| digits_a.len().cmp(&digits_b.len()))
            .then_with(|| digits_a.cmp(digits_b));
        if order.is_ne() {
            return order;
        }
        if next_a.is_empty() || next_b.is_empty() {
            return next_a.cmp(next_b).then_with(|| a.cmp(b));
        }
        (rest_a, rest_b) = (next_a, next_b);
    }
}

/// The text before the first number, the number without leading zeros, the text after it.
fn first_number(name: &str) -> (&str, &str, &str) {
    let is_digit = |c: char| c.is_ascii_digit();
    let start = name.find(is_digit).unwrap_or(name.len());
    let (text, number) = name.split_at(start);
    let end = number.find(|c| !is_digit(c)).unwrap_or(number.len());
    let (number, rest) = number.split_at(end);
    (text, number.trim_start_matches('0'), rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::folder_of;
    use super::*;

    #[test]
    fn numbers_are_compared_as_numbers() {
        let sorted = ["1.wav", "2.wav", "010.wav", "10.wav", "11a1.wav", "11a02.wav", "a.wav"];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                assert_eq!(natural_order(a, b), i.cmp(&j), "{a} {b}");
            }
        }
    }

    #[test]
    fn parts_follow_the_order_of_names() {
        let names: Vec<_> = (0..20).map(|i| format!("out{i}.wav")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let (_temporary, dir) = folder_of("clips", &names);
        for (i, entry) in list(&dir).unwrap().iter().enumerate() {
            assert_eq!(entry.path, PathBuf::from(format!("out{i}.wav")));
            let expected = match i {
                0..17 => Part::Train,
                17 => Part::Val,
                _ => Part::Test,
            };
            assert_eq!(entry.split, Some(expected), "{i}");
        }
    }

    #[test]
    fn few_clips_are_left_to_others_to_divide() {
        let (_temporary, dir) = folder_of("clips", &["a.wav", "b.wav", "c.wav"]);
        assert!(list(&dir).unwrap().iter().all(|entry| entry.split.is_none()));
    }

    proptest! {
        #[test]
        fn it_is_an_order(
            a in "[a0-9é]{0,6}", b in "[a0-9é]{0,6}", c in "[a0-9é]{0,6}",
        ) {
            prop_assert_eq!(natural_order(&a, &b), natural_order(&b, &a).reverse());
            prop_assert_eq!(natural_order(&a, &b).is_eq(), a == b);
            let mut sorted = [&a, &b, &c];
            sorted.sort_by(|a, b| natural_order(a, b));
            prop_assert!(natural_order(sorted[0], sorted[2]).is_le());
        }
    }
}
