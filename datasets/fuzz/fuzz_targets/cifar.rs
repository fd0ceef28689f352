//! Any bytes are whole records of known classes, or an error.

#![no_main]

use datasets::formats::cifar::{self, CLASSES, PIXELS};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if cifar::check(bytes).is_ok() {
        let mut records = bytes.chunks(1 + 3 * PIXELS);
        assert!(records.all(|record| usize::from(record[0]) < CLASSES.len()));
    }
});
