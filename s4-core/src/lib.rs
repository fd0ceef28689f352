//! Structured state space models on libtorch: the mathematics and the layers.
//!
//! Read in this order: [`hippo`] (where A and B come from), [`ssm`] (what is trained, and its
//! discretisation), [`kernel`] (the convolution kernel, three ways), [`conv`] and [`recurrence`]
//! (applying it), [`layer`] (what a network is made of). No files, no command line, no training
//! loop here.

pub mod conv;
pub mod hippo;
pub mod kernel;
pub mod layer;
pub mod params;
pub mod recurrence;
pub mod ssm;
pub mod state_dict;
