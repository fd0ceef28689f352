//! What came of an attack.

use std::fmt;

use report::interval::Interval;
use serde::{Deserialize, Serialize};

use super::Budget;
use crate::subject::Verdict;

/// What came of an attack on the examples that were right. A success is an example that is wrong now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The attack.
    pub attack: String,
    /// How much it could change.
    pub budget: Budget,
    /// How many steps or queries it had, where that is to choose.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub steps: Option<usize>,
    /// Its successes.
    pub success: Share,
    /// Those of a random change of the same size, on the same examples.
    pub control: Share,
    /// Of its examples, those whose first gradient was zero everywhere; `None` where none was taken.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub zero_gradients: Option<usize>,
}

/// Some of some.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// How many.
    pub count: usize,
    /// Of how many.
    pub of: usize,
    /// What their share may be: Wilson's 95% interval.
    pub interval: Interval,
}

impl Share {
    /// `count` of `of`.
    pub fn new(count: usize, of: usize) -> Self {
        Self { count, of, interval: Interval::wilson(count, of) }
    }

    /// Of the examples that were right before, those that are wrong after.
    pub fn misled(before: &[Verdict], after: &[Verdict]) -> Self {
        let right = before.iter().zip(after).filter(|(before, _)| before.value > 0.5);
        let (count, of) = right.fold((0, 0), |(count, of), (_, after)| {
            (count + usize::from(after.value < 0.5), of + 1)
        });
        Self::new(count, of)
    }

    /// The share; 0 of none.
    pub fn value(&self) -> f64 {
        self.count as f64 / self.of.max(1) as f64
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |share: f64| 100.0 * share;
        let Share { of, interval, .. } = self.success;
        write!(
            f,
            "misled {:.0}% [{:.0}, {:.0}] of {of} that were right, by chance {:.0}%",
            percent(self.success.value()),
            percent(interval.low),
            percent(interval.high),
            percent(self.control.value())
        )
    }
}
