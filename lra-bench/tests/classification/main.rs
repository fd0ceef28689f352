//! The model of a classification: in more digits, and stepped without libtorch.

mod precision;
mod stream;
