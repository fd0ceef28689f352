//! Networks against the official code.

mod classifier;
mod samplernn;
mod sashimi;
mod wavenet;
