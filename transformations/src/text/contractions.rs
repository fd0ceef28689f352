//! Don't and do not.

use anyhow::Result;
use rand_chacha::ChaCha8Rng;

use super::edits::{Edit, edited};
use super::{PLACES, part, phrases};
use crate::change::Change;
use crate::{Effect, Severity};

/// Written out and contracted, with the same first letter. Those with two meanings (it's, he'd) are left
/// out.
const FORMS: &[(&str, &str)] = &[
    ("are not", "aren't"),
    ("cannot", "can't"),
    ("could not", "couldn't"),
    ("did not", "didn't"),
    ("do not", "don't"),
    ("does not", "doesn't"),
    ("had not", "hadn't"),
    ("has not", "hasn't"),
    ("have not", "haven't"),
    ("is not", "isn't"),
    ("must not", "mustn't"),
    ("need not", "needn't"),
    ("should not", "shouldn't"),
    ("was not", "wasn't"),
    ("were not", "weren't"),
    ("will not", "won't"),
    ("would not", "wouldn't"),
    ("i am", "i'm"),
    ("i have", "i've"),
    ("i will", "i'll"),
    ("you are", "you're"),
    ("you have", "you've"),
    ("you will", "you'll"),
    ("he will", "he'll"),
    ("she will", "she'll"),
    ("it will", "it'll"),
    ("we are", "we're"),
    ("we have", "we've"),
    ("we will", "we'll"),
    ("they are", "they're"),
    ("they have", "they've"),
    ("they will", "they'll"),
];

pub(crate) const CONTRACTED: Change<String> = Change {
    name: "contracted",
    about: "do not becomes don't, and so on",
    effect: Effect::Invariant,
    strength,
    change: |text, severity, random, _| {
        other(text, FORMS.iter().map(|&(long, short)| (long, short)), severity, random)
    },
};

pub(crate) const EXPANDED: Change<String> = Change {
    name: "expanded",
    about: "don't becomes do not, and so on",
    effect: Effect::Invariant,
    strength,
    change: |text, severity, random, _| {
        other(text, FORMS.iter().map(|&(long, short)| (short, long)), severity, random)
    },
};

fn strength(severity: Severity) -> String {
    format!("{}% of such phrases", 100.0 * severity.of(PLACES))
}

fn other(
    text: &str,
    forms: impl Iterator<Item = (&'static str, &'static str)>,
    severity: Severity,
    random: &mut ChaCha8Rng,
) -> Result<String> {
    let edits: Vec<_> = forms
        .flat_map(|(from, to)| {
            // The first letter stays, and with it its case.
            phrases(text, from).into_iter().map(|at| Edit::new(at.start + 1..at.end, &to[1..]))
        })
        .collect();
    let count = part(severity.of(PLACES), edits.len());
    edited(text, edits, count, random)
}

#[cfg(test)]
mod tests {
    use super::super::testing::changed;
    use super::*;

    #[test]
    fn forms_become_the_other_and_back() {
        let (long, short) =
            ("I am here; You will not. We cannot.", "I'm here; You won't. We can't.");
        assert_eq!(changed(&EXPANDED, short), long);
        assert_eq!(changed(&CONTRACTED, "I am here; They did not. We cannot."), {
            "I'm here; They didn't. We can't."
        });
        assert!(FORMS.iter().all(|(long, short)| long[..1] == short[..1]));
    }
}
