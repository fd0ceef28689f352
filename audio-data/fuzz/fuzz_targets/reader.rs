//! Any bytes give samples in [-1, 1] or an error, never a panic, a hang or memory without bounds.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| audio_data_fuzz::read(bytes.to_vec()));
