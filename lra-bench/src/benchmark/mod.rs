//! What a model costs as its sequences grow: speed of training, memory, speed of generation (the
//! efficiency comparison of the S4 paper, Gu et al. 2022, section 4.1).
//!
//! ```text
//! session (parent) ── one process an entry ──> work ──> one line of JSON
//!     └──> table
//! ```
//!
//! A process of its own, so that one entry's memory is not another's.

pub mod entry;
mod memory;
pub mod session;
pub mod table;
pub mod work;
