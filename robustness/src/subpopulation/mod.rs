//! Scores that examples are divided by, and the parts that they make.

mod any;
mod expression;
mod parts;
mod path;
mod picture;
mod series;
mod sound;
mod text;

use std::sync::{PoisonError, RwLock};

use anyhow::{Result, anyhow, ensure};
pub use parts::{Named, combine, divide};
use transformations::content::Kind;

use crate::subject::{Item, Subject, Verdict};

/// What the name of a score begins with that is a column of metadata.
pub const COLUMN: &str = "column:";

/// What an example is worth by some score.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number.
    Number(f64),
    /// A name.
    Name(String),
}

/// A figure or a name of an example.
pub trait Score: Sync {
    /// Its name in suites, in kebab-case.
    fn name(&self) -> &'static str;

    /// What it is, in half a line.
    fn about(&self) -> &'static str;

    /// What it can be had of.
    fn kinds(&self) -> &'static [Kind];

    /// Whether its values are numbers.
    fn is_number(&self) -> bool {
        true
    }

    /// The item's value; `None` where it has none.
    ///
    /// # Errors
    /// If it cannot be told. That is counted.
    fn of(&self, item: &Item, about: &Known<'_>) -> Result<Option<Value>>;
}

/// A score that is a function of the item: most are one constant of this type.
pub struct Measure {
    /// [`Score::name`].
    pub name: &'static str,
    /// [`Score::about`].
    pub about: &'static str,
    /// [`Score::kinds`].
    pub kinds: &'static [Kind],
    /// [`Score::is_number`].
    pub is_number: bool,
    /// [`Score::of`].
    pub of: fn(&Item, &Known<'_>) -> Result<Option<Value>>,
}

impl Score for Measure {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn kinds(&self) -> &'static [Kind] {
        self.kinds
    }

    fn is_number(&self) -> bool {
        self.is_number
    }

    fn of(&self, item: &Item, known: &Known<'_>) -> Result<Option<Value>> {
        (self.of)(item, known)
    }
}

/// What is known of an item beside itself.
pub struct Known<'a> {
    /// The model, and where the item is from.
    pub subject: &'a dyn Subject,
    /// What the model makes of it.
    pub verdict: &'a Verdict,
}

/// All scores, in the order in which they are listed. To add one: a file, and a line here.
pub const ALL: &[&dyn Score] = &[
    &any::LABEL,
    &any::PREDICTED,
    &any::CONFIDENCE,
    &any::LENGTH,
    &expression::DEPTH,
    &expression::ROOT,
    &expression::DECIDING,
    &text::NEGATIONS,
    &text::NON_ASCII,
    &text::DIGITS,
    &text::MARKUP,
    &path::DASHES,
    &path::DISTANCE,
    &picture::BRIGHTNESS,
    &picture::CONTRAST,
    &sound::LEVEL,
    &sound::SNR,
    &sound::CLIPPING,
    &sound::PITCH,
    &sound::SPEAKER,
    &series::TREND,
    &series::SEASON,
    &series::VOLATILITY,
];

/// Those of other crates.
static OTHERS: RwLock<Vec<&'static dyn Score>> = RwLock::new(Vec::new());

/// Adds a score of another crate; from then on it is found by its name.
///
/// # Errors
/// If there is one of that name.
pub fn register(score: &'static dyn Score) -> Result<()> {
    let name = score.name();
    let is_new = Kind::ALL.into_iter().all(|kind| of_kind(kind).all(|other| other.name() != name));
    ensure!(is_new, "there is a score `{name}` already");
    OTHERS.write().unwrap_or_else(PoisonError::into_inner).push(score);
    Ok(())
}

/// Those that can be had of `kind`.
pub fn of_kind(kind: Kind) -> impl Iterator<Item = &'static dyn Score> {
    let others = OTHERS.read().unwrap_or_else(PoisonError::into_inner);
    let all: Vec<&'static dyn Score> = ALL.iter().chain(&*others).copied().collect();
    all.into_iter().filter(move |score| score.kinds().contains(&kind))
}

/// The score called `name`, of `kind`.
///
/// # Errors
/// If there is none; the message has the names that there are.
pub fn find(name: &str, kind: Kind) -> Result<&'static dyn Score> {
    of_kind(kind).find(|score| score.name() == name).ok_or_else(|| {
        let names: Vec<_> = of_kind(kind).map(|score| score.name()).collect();
        anyhow!(
            "there is no score `{name}` of {kind}; there are {}, and `column:NAME` of metadata",
            names.join(", ")
        )
    })
}
