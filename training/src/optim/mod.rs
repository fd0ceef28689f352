//! The optimiser: parameter groups, AdamW or stochastic gradient descent, gradient clipping.
//!
//! ```text
//! ParamStore ── groups ──> Group { lr, weight_decay, names }
//!                             │
//!                         Optimizer ── fused: one libtorch call a group
//!                             └─────── plain: the same formula in tensor operations, its oracle
//! ```
//!
//! tch's own optimisers can neither save their state nor keep two groups apart once a schedule sets
//! the rate, and they update one tensor at a time; hence ours.

mod clip;
mod groups;
mod optimizer;
mod plain;

pub use clip::{clip_grad_norm, clip_grad_value};
pub use groups::{Group, GroupConfig, Summary, group_parameters};
pub use optimizer::{Backend, Optimizer, OptimizerConfig};
