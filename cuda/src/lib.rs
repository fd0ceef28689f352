//! What is found at run time on a machine with an NVIDIA GPU. Nothing of it is needed to build.

pub mod libtorch;
pub mod waits;
