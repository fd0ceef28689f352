//! How good generated sound is, by what a classifier makes of it: its features, the input of its
//! last layer (n, d), and the probabilities of its classes (n, C). Everything is float64.
//!
//! Where the official code computes something else, that figure is here too, as `official`: the
//! papers' tables have it. [docs/metrics.md](../../docs/metrics.md) says where and why.

pub mod am;
pub mod classifier;
pub mod cut;
pub mod fid;
pub mod inception;
pub mod mis;
pub mod ndb;
pub mod nearest;
mod numpy;
#[cfg(test)]
mod parity;
pub mod probabilities;
pub mod reduction;
pub mod study;
