//! The three kinds of tests of CheckList (Ribeiro et al. 2020).

use std::str::FromStr;

use anyhow::{Error, Result, anyhow};
use derive_more::Display;
use serde::{Deserialize, Serialize};

use crate::subject::Verdict;

/// What a test asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Test {
    /// Minimum functionality: the label is right.
    #[display("mft")]
    Mft,
    /// Invariance: what the model says before and after is the same.
    #[display("inv")]
    Inv,
    /// Direction: the model's confidence in the label does not grow.
    #[display("dir")]
    Dir,
}

impl Test {
    /// The verdict on an example after a change, with the one before it: its value is whether it passes.
    pub fn judge(self, after: Verdict, before: Option<Verdict>) -> Verdict {
        let Some(before) = before else { return after };
        // Confidence is in what is said: in the label only where that is said.
        let in_label = |it: &Verdict| if it.label == it.predicted { it.confidence } else { 0.0 };
        let passes = match self {
            Self::Mft => return after,
            Self::Inv => after.predicted == before.predicted,
            Self::Dir => in_label(&after) <= in_label(&before) + MARGIN,
        };
        Verdict { value: f64::from(u8::from(passes)), ..after }
    }
}

/// What confidence may grow by before a test of direction fails.
const MARGIN: f64 = 0.1;

impl FromStr for Test {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let all = [Self::Mft, Self::Inv, Self::Dir];
        all.into_iter().find(|test| test.to_string() == name).ok_or_else(|| {
            anyhow!("there is no test `{name}`: mft (the label is right), inv (what is said stays), dir \
                     (confidence in the label does not grow)")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(predicted: usize, confidence: f64) -> Verdict {
        let value = f64::from(u8::from(predicted == 1));
        Verdict { value, label: Some(1), predicted: Some(predicted), confidence }
    }

    #[test]
    fn each_kind_asks_its_question() {
        let passes = |test: Test, after, before| test.judge(after, Some(before)).value == 1.0;
        let (wrong, right) = (said(0, 0.9), said(1, 0.6));
        assert!(passes(Test::Inv, wrong, said(0, 0.5)) && !passes(Test::Inv, wrong, right));
        assert!(passes(Test::Dir, said(1, 0.65), right) && !passes(Test::Dir, said(1, 0.8), right));
        assert!(passes(Test::Dir, wrong, right) && !passes(Test::Dir, right, wrong));
        assert!(!passes(Test::Mft, wrong, right) && passes(Test::Mft, right, wrong));
    }
}
