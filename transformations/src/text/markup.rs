//! HTML.

use super::edits::{Edit, edited};
use super::{PLACES, part, runs};
use crate::Effect;
use crate::change::Change;

/// Share of the words that are marked.
const WORDS: [f64; 5] = [0.02, 0.05, 0.1, 0.2, 0.4];

pub(crate) const ADDED: Change<String> = Change {
    name: "markup",
    about: "words in bold, in HTML",
    effect: Effect::Invariant,
    strength: |severity| format!("{}% of the words", 100.0 * severity.of(WORDS)),
    change: |text, severity, random, _| {
        let words = runs(text, char::is_alphanumeric);
        let count = part(severity.of(WORDS), words.len());
        let bold = words.into_iter().map(|at| {
            let with = format!("<b>{}</b>", &text[at.clone()]);
            Edit::new(at, with)
        });
        edited(text, bold, count, random)
    },
};

pub(crate) const REMOVED: Change<String> = Change {
    name: "no-markup",
    about: "HTML tags replaced by spaces",
    effect: Effect::Invariant,
    strength: |severity| format!("{}% of the tags", 100.0 * severity.of(PLACES)),
    change: |text, severity, random, _| {
        let edits = tags(text);
        let count = part(severity.of(PLACES), edits.len());
        edited(text, edits, count, random)
    },
};

/// All tags, as spaces.
fn tags(text: &str) -> Vec<Edit> {
    let mut tags = Vec::new();
    let mut from = 0;
    while let Some(start) = text[from..].find('<').map(|at| from + at) {
        from = start + 1;
        let name = text[from..].trim_start_matches('/');
        let end = text[from..].find(['<', '>']).map(|at| from + at);
        if let Some(end) = end
            && text[end..].starts_with('>')
            && name.starts_with(|first: char| first.is_ascii_alphabetic())
        {
            tags.push(Edit::new(start..end + 1, " "));
            from = end + 1;
        }
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::super::testing::changed;
    use super::*;

    #[test]
    fn tags_come_and_go() {
        assert_eq!(changed(&REMOVED, "Good.<br /><br />1 < 2 > <i>0</i>"), "Good.  1 < 2 >  0 ");
        let marked = changed(&ADDED, "one two three four five");
        assert_eq!(marked.matches("<b>").count(), 2);
        assert_eq!(marked.replace("<b>", "").replace("</b>", ""), "one two three four five");
    }
}
