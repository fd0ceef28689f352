//! How strong a change is.

use std::fmt;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

/// How strong a change is, from 1 to 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Severity(u8);

impl Severity {
    /// All five.
    pub const ALL: [Self; 5] = [Self(1), Self(2), Self(3), Self(4), Self(5)];

    /// Those of a change that has one strength only.
    pub const ONE: &'static [Self] = &[Self(1)];

    /// The severity `number`.
    ///
    /// # Errors
    /// If it is not 1 to 5.
    pub fn new(number: u8) -> Result<Self> {
        ensure!((1..=5).contains(&number), "severity {number}; there are 1 to 5");
        Ok(Self(number))
    }

    /// Its number, 1 to 5.
    pub fn number(self) -> u8 {
        self.0
    }

    /// What a published table of the five has for it.
    pub fn of<T: Copy>(self, table: [T; 5]) -> T {
        table[usize::from(self.0) - 1]
    }
}

impl TryFrom<u8> for Severity {
    type Error = anyhow::Error;

    fn try_from(number: u8) -> Result<Self> {
        Self::new(number)
    }
}

impl From<Severity> for u8 {
    fn from(severity: Severity) -> Self {
        severity.0
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
