//! What data is, as far as a model has to know.

use s4_config::{Input, Output};

/// What goes in and what is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// What sequences are made of.
    pub input: Input,
    /// What is asked of them.
    pub target: Target,
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

impl Shape {
    /// What a network for it takes and returns.
    pub fn network(&self) -> s4_config::Shape {
        let output = match &self.target {
            Target::Classes(names) => Output::Classes(names.len() as i64),
            Target::Pair(names) => Output::Pair(names.len() as i64),
            Target::PerPosition { vocabulary } => Output::PerPosition(*vocabulary),
            Target::Values { count } => Output::PerPosition(*count),
        };
        s4_config::Shape { input: self.input, output }
    }
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
