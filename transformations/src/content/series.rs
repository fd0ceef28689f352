//! Numbers over time.

/// Numbers over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// (L, features), in the units that a model gets them in.
    pub values: Vec<f32>,
    /// Numbers at each time.
    pub features: usize,
}
