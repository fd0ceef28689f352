//! What of a text a change changed.

use report::page::Span;
use similar::DiffTag;
use similar::algorithms::{Capture, Replace, myers};

/// Both texts, with the words marked that only one of them has.
pub fn marked(before: &str, after: &str) -> [Vec<Span>; 2] {
    let (old, new) = (words(before), words(after));
    let mut spans = [Vec::new(), Vec::new()];
    let mut changes = Replace::new(Capture::new());
    let Ok(()) = myers::diff(&mut changes, &old, 0..old.len(), &new, 0..new.len());
    for change in changes.into_inner().ops() {
        let (tag, old_range, new_range) = change.as_tag_tuple();
        for (spans, words) in spans.iter_mut().zip([&old[old_range], &new[new_range]]) {
            if !words.is_empty() {
                spans.push(Span { text: words.concat(), marked: tag != DiffTag::Equal });
            }
        }
    }
    spans
}

/// Words, and what is between them.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut begin = 0;
    let mut last = None;
    for (place, letter) in text.char_indices() {
        let space = letter.is_whitespace();
        if last.is_some_and(|last| last != space) {
            words.push(&text[begin..place]);
            begin = place;
        }
        last = Some(space);
    }
    words.extend(Some(&text[begin..]).filter(|word| !word.is_empty()));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_differ_are_marked() {
        let shown = |spans: &[Span]| {
            let each = spans.iter();
            each.map(|it| if it.marked { format!("<{}>", it.text) } else { it.text.clone() })
                .collect::<String>()
        };
        let [before, after] = marked("a good film, über all", "  a godo film, über all");
        assert_eq!(shown(&before), "a <good> film, über all");
        assert_eq!(shown(&after), "<  >a <godo> film, über all");
        assert_eq!(marked("", ""), [vec![], vec![]]);
    }
}
