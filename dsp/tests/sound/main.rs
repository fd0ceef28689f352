//! Sounds resampled, shown and listened to.

mod resample;
mod runaway;
mod spectrum;
