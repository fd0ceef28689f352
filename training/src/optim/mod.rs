//! The optimiser: parameter groups, AdamW (fused and plain), gradient clipping.
//!
//! ```text
//! ParamStore ── groups ──> Group { lr, weight_decay, names }
//!                             │
//!                          AdamW ── fused: one libtorch call a group
//!                             └──── plain: the same formula in tensor operations, its oracle
//! ```
//!
//! tch's own optimisers can neither save their state nor keep two groups apart once a schedule sets
//! the rate, and they update one tensor at a time; hence ours.

mod adamw;
mod clip;
mod groups;
mod plain;

pub use adamw::{AdamW, AdamWConfig, Backend};
pub use clip::{clip_grad_norm, clip_grad_value};
pub use groups::{Group, GroupConfig, Summary, group_parameters};
