//! Sounds resampled, shown and listened to.

mod mel;
mod resample;
mod runaway;
mod spectrum;
