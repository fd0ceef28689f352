//! Any bytes give samples in [-1, 1] or an error, never a panic, a hang or memory without bounds.

#![no_main]

use audio_data::read::Reader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut reader) = Reader::from_bytes(bytes.to_vec()) else { return };
    let promised = reader.format().frames;
    let wav = reader.format().encoding.contains("bit");
    let mut frames = 0;
    loop {
        match reader.next_block() {
            Ok(Some(block)) => {
                assert!(!block.is_empty() && block.iter().all(|x| x.abs() <= 1.0));
                frames += block.len() as u64;
            }
            Ok(None) => break,
            Err(_) => return,
        }
    }
    assert!(frames > 0);
    assert!(!wav || promised == Some(frames), "{frames} frames instead of {promised:?}");
});
