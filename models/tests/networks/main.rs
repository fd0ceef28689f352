//! Networks whole, in parts and step by step.

mod backbones;
mod baselines;
mod diffusion;
mod forecast;
mod looking_back;
mod sashimi;
