//! Applying an SSM to a sequence: y = K * u, with or without a state carried in and out.
//!
//! * [`fft`]: by FFT, O(L log L), one kernel of the sequence's length.
//! * [`chunked`]: chunk by chunk with the state in between, O(L), no long kernel.
//! * [`plan`]: which of them, decided in one place.
//!
//! Shapes: B batch, H channels, L length, C outputs a channel, N states.

pub mod chunked;
pub mod fft;
pub mod plan;
