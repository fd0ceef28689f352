//! What a task's sequences are made of, and what it asks for.

/// What a task's sequences are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputKind {
    /// Token numbers below `vocabulary`, (B, L) int64.
    Tokens {
        /// Number of different tokens, padding included.
        vocabulary: i64,
    },
    /// Real vectors of `features` entries, (B, L, features).
    Values {
        /// Entries per position.
        features: i64,
    },
}

/// What a task asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// What goes in.
    pub input: InputKind,
    /// Number of classes.
    pub classes: i64,
    /// Two sequences an example, to be compared: (2B, …), all first ones before all second ones.
    pub pairs: bool,
}

impl From<Shape> for s4_config::Shape {
    fn from(shape: Shape) -> Self {
        use s4_config::{Input, Output};
        let input = match shape.input {
            InputKind::Tokens { vocabulary } => Input::Tokens { vocabulary },
            InputKind::Values { features } => Input::Values { features },
        };
        let output =
            if shape.pairs { Output::Pair(shape.classes) } else { Output::Classes(shape.classes) };
        Self { input, output }
    }
}
