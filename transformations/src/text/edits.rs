//! What a change of a text consists of.

use std::ops::Range;

use anyhow::Result;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::Unchanged;

/// Something else at a place in a text, in bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Edit {
    pub(super) at: Range<usize>,
    pub(super) with: String,
}

impl Edit {
    pub(super) fn new(at: Range<usize>, with: impl Into<String>) -> Self {
        Self { at, with: with.into() }
    }
}

/// The text with `count` of the edits that are possible, or all if they are fewer, drawn at random. Of
/// edits that overlap, one at most is made.
///
/// # Errors
/// [`Unchanged`] if none is possible.
pub(super) fn edited(
    text: &str,
    edits: impl IntoIterator<Item = Edit>,
    count: usize,
    random: &mut ChaCha8Rng,
) -> Result<String> {
    let mut edits: Vec<Edit> = edits.into_iter().collect();
    edits.shuffle(random);
    let mut taken = vec![false; text.len()];
    edits.retain(|edit| {
        let place = &mut taken[edit.at.clone()];
        let free = !place.contains(&true);
        if free {
            place.fill(true);
        }
        free
    });
    edits.truncate(count);
    if edits.is_empty() {
        return Err(Unchanged.into());
    }
    edits.sort_by_key(|edit| edit.at.start);
    let (mut out, mut from) = (String::new(), 0);
    for edit in edits {
        out += &text[from..edit.at.start];
        out += &edit.with;
        from = edit.at.end;
    }
    Ok(out + &text[from..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed;

    #[test]
    fn as_many_edits_are_made_as_are_asked_for_and_possible() {
        let random = &mut seed::generator("edits", &[]);
        let all = || (0..6).map(|at| Edit::new(at..at + 1, "X"));
        let changed = |text: String| text.matches('X').count();
        for count in 1..9 {
            assert_eq!(changed(edited("abcdef", all(), count, random).unwrap()), count.min(6));
        }
        let pairs = (0..5).map(|at| Edit::new(at..at + 2, "X"));
        let text = edited("abcdef", pairs, 9, random).unwrap();
        let kept = text.chars().filter(|character| *character != 'X').count();
        assert_eq!(kept + 2 * changed(text), 6);
        let inserted = edited("é", [Edit::new(2..2, "!"), Edit::new(0..0, "?")], 2, random);
        assert_eq!(inserted.unwrap(), "?é!");
        assert!(edited("abc", [], 1, random).unwrap_err().is::<Unchanged>());
    }
}
