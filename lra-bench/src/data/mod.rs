//! Reading data files, and what a batch of examples looks like.

pub mod batch;
pub mod idx;
pub mod images;
