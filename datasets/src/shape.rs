//! What data is, as far as a model has to know.

/// What goes in and what is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// What sequences are made of.
    pub input: InputKind,
    /// What is asked of them.
    pub target: Target,
}

/// What sequences are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputKind {
    /// Token numbers below `vocabulary`, (B, L) int64.
    Tokens {
        /// Number of different tokens, padding included.
        vocabulary: i64,
    },
    /// Real vectors of `features` entries, (B, L, features).
    Values {
        /// Values per position.
        features: i64,
    },
}

/// What is asked of a sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Its class, one of these names in the order of their numbers.
    Classes(Vec<String>),
    /// The class of two sequences, (2B, …): all first ones, then all second ones.
    Pair(Vec<String>),
    /// A token at every position.
    PerPosition {
        /// Number of different tokens.
        vocabulary: i64,
    },
    /// Real numbers.
    Values {
        /// How many.
        count: i64,
    },
}

impl Target {
    /// The names of the classes; none where it is not about classes.
    pub fn class_names(&self) -> &[String] {
        match self {
            Target::Classes(names) | Target::Pair(names) => names,
            Target::PerPosition { .. } | Target::Values { .. } => &[],
        }
    }
}
