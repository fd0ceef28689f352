//! Networks against the official code.

mod classifier;
mod diffusion;
mod language;
mod resnext;
mod samplernn;
mod sashimi;
mod wavenet;
