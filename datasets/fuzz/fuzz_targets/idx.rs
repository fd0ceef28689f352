//! Any bytes, gzipped or not, are an array of as many elements as its sizes say, or an error.

#![no_main]

use datasets::formats::idx;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(array) = idx::decode(bytes) {
        assert_eq!(array.dims.iter().product::<usize>(), array.bytes.len());
    }
});
