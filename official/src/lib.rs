//! Checkpoints of the official code (`state-spaces/s4`, `albertfgu/diffwave-sashimi`) as runs of this
//! project, and runs as files that the official code loads.
//!
//! [`source`] reads a file, [`names`] translates what its tensors are called, [`settings`] what its
//! hyper-parameters say, [`shapes`] finds in its weights what no hyper-parameter says; [`run`] makes a
//! run of it, and [`export`] a file of a run.

pub mod args;
pub mod export;
pub mod names;
pub mod run;
pub mod settings;
pub mod shapes;
pub mod source;
mod tensors;
pub mod vocabulary;
