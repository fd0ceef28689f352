//! Networks against the official code.

mod classifier;
mod sashimi;
