//! The model that predicts the next code: trained, and stepped with libtorch and without.

mod modes;
mod precision;
mod recompute;
mod stream;
