//! As `reader`, behind the checksums of Ogg and FLAC.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    audio_data_fuzz::repair(&mut bytes);
    audio_data_fuzz::read(bytes);
});
