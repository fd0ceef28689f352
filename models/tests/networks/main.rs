//! Networks whole, in parts and step by step.

mod backbones;
mod baselines;
mod diffusion;
mod forecast;
mod learned_state;
mod looking_back;
mod sashimi;
