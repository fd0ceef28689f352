//! Any bytes are a picture with as many pixels as its size says, or an error.

#![no_main]

use datasets::examples::images::Colour;
use datasets::examples::pictures;
use datasets::pathfinder::png_image;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(((width, height), pixels)) = pictures::decode(bytes, Colour::Grey) {
        assert_eq!(pixels.len() as u64, u64::from(width) * u64::from(height));
    }
    let _ = png_image::decode(bytes, 32, &mut [0; 1024]);
});
