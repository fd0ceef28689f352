//! Networks against the official code.

mod classifier;
mod diffusion;
mod samplernn;
mod sashimi;
mod wavenet;
