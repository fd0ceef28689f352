//! Sounds resampled, shown and listened to.

mod filter;
mod mel;
mod resample;
mod runaway;
mod spectrum;
