//! Structured state space models on libtorch: the mathematics and the layers.

pub mod hippo;
pub mod params;
pub mod state_dict;
