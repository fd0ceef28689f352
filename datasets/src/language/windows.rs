//! A long text in windows: window `i` asks for tokens `i·length` to `(i + 1)·length`, so that all
//! windows together ask for every token once.

use std::sync::Arc;

use anyhow::Result;

use super::vocabulary::START;
use crate::batch::{Example, Label, Sequences};
use crate::split::Examples;

/// A text, window by window. A window has the token before it, too: what its first token follows.
#[derive(Debug, Clone)]
pub struct Windows {
    tokens: Arc<Vec<u32>>,
    length: usize,
    is_stream: bool,
}

impl Windows {
    /// Windows of `length` tokens, the last perhaps shorter; each continues the one before where
    /// `is_stream`.
    ///
    /// # Panics
    /// If `length` is 0.
    pub fn new(tokens: Vec<u32>, length: usize, is_stream: bool) -> Self {
        assert!(length > 0, "a window holds at least one token");
        Self { tokens: Arc::new(tokens), length, is_stream }
    }
}

impl Examples for Windows {
    fn len(&self) -> usize {
        self.tokens.len().div_ceil(self.length)
    }

    fn example(&self, index: usize) -> Result<Example> {
        let start = index * self.length;
        let end = (start + self.length).min(self.tokens.len());
        let before = start.checked_sub(1).map_or(START, |before| self.tokens[before]);
        let tokens = [&before].into_iter().chain(&self.tokens[start..end]);
        let tokens = tokens.map(|&token| token.into()).collect();
        Ok(Example { sequences: vec![Sequences::Tokens(tokens)], label: Label::Next })
    }

    fn label(&self, _: usize) -> Result<Label> {
        Ok(Label::Next)
    }

    fn padding(&self) -> Option<f32> {
        Some(START as f32)
    }

    fn is_stream(&self) -> bool {
        self.is_stream
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Labels;
    use crate::split::Split;

    #[test]
    fn every_token_is_asked_for_once_after_the_one_before() {
        let split = Split::new(Windows::new((1..=8).collect(), 3, true));
        assert!(split.is_stream() && !split.apart().is_stream());
        let batch = split.batch(&[0, 1, 2]).unwrap();
        let tokens = vec![0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 0];
        assert_eq!(batch.sequences, Sequences::Tokens(tokens));
        assert_eq!((batch.lengths, batch.labels), (Some(vec![4, 4, 3]), Labels::Next));
    }
}
