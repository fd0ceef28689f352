//! What goes into a network, and what comes out: decided by the data.

/// What a network takes and returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// What goes in.
    pub input: Input,
    /// What comes out.
    pub output: Output,
}

/// What the positions of a sequence are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Token numbers below `vocabulary`, (B, L) int64.
    Tokens {
        /// Number of different tokens, padding included.
        vocabulary: i64,
    },
    /// Real vectors, (B, L, features).
    Values {
        /// Entries per position.
        features: i64,
    },
}

/// What is computed of sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Logits of the classes of each sequence, (B, classes).
    Classes(i64),
    /// Logits of the classes of each pair of sequences, (B, classes); the input holds all first ones
    /// before all second ones, (2B, …).
    Pair(i64),
    /// This many numbers for each sequence, (B, numbers).
    Values(i64),
    /// This many numbers per position, (B, L, …): logits of a next token, or values.
    PerPosition(i64),
    /// A series, (B, steps, targets · levels).
    Series(Series),
    /// What the backbone makes of each position, (B, L, H), for whatever builds on it.
    Channels,
}

/// A series that is asked for, step by step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Series {
    /// Steps that are asked for.
    pub steps: i64,
    /// Of a forecast: positions that are known; the input has `steps` more, whose channels are empty.
    /// `None`: the whole input is known.
    pub context: Option<i64>,
    /// Of a forecast: the first features of the input, which are the series' own past.
    pub channels: i64,
    /// Values of each step; of a forecast the last channels.
    pub targets: i64,
    /// Numbers that are said of each value: 1, or one for each quantile.
    pub levels: i64,
}
