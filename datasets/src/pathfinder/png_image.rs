//! 8-bit grey PNG, the form of the published images.

use std::io::Cursor;

use anyhow::{Context, Result, ensure};
use png::{BitDepth, ColorType};

/// Encodes a square image, row by row.
///
/// # Errors
/// If `pixels` is not `side * side` bytes.
pub fn encode(side: usize, pixels: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side as u32, side as u32);
    encoder.set_color(ColorType::Grayscale);
    encoder.set_depth(BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(bytes)
}

/// Decodes a square image of `side` pixels into `pixels`.
///
/// # Errors
/// If the bytes are not a whole 8-bit grey PNG of that size.
pub fn decode(bytes: &[u8], side: usize, pixels: &mut [u8]) -> Result<()> {
    ensure!(!bytes.is_empty(), "the file is empty");
    let decoder = png::Decoder::new(Cursor::new(bytes));
    let mut reader = decoder.read_info().context("it is not a readable PNG")?;
    let info = reader.info();
    let (width, height) = (info.width, info.height);
    ensure!(
        (width as usize, height as usize) == (side, side),
        "it is {width} x {height} pixels, but {side} x {side} were expected"
    );
    ensure!(
        (info.color_type, info.bit_depth) == (ColorType::Grayscale, BitDepth::Eight),
        "it is {:?} of {} bits, but 8-bit grey was expected",
        info.color_type,
        info.bit_depth as u8
    );
    ensure!(
        pixels.len() == side * side,
        "the buffer has {} bytes instead of {}",
        pixels.len(),
        side * side
    );
    reader.next_frame(pixels).context("its image data are damaged or end too early")?;
    // Reads on to the end, so that a file cut off after the last row is noticed as well.
    reader.finish().context("it ends too early, or its last part is damaged")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_survive() {
        let pixels: Vec<u8> = (0..1024).map(|i| (i * 7 % 256) as u8).collect();
        let bytes = encode(32, &pixels).unwrap();
        let mut read = vec![0; 1024];
        decode(&bytes, 32, &mut read).unwrap();
        assert_eq!(read, pixels);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let bytes = encode(32, &[5; 1024]).unwrap();
        let fails = |bytes: &[u8], side: usize| {
            let error = decode(bytes, side, &mut vec![0; side * side]).unwrap_err();
            format!("{error:#}")
        };
        assert!(fails(&bytes, 64).contains("32 x 32"));
        assert!(fails(&[], 32).contains("empty"));
        assert!(fails(b"GIF89a not a png", 32).contains("PNG"));
        for end in 1..bytes.len() {
            fails(&bytes[..end], 32);
        }
        let mut colour = Vec::new();
        let mut encoder = png::Encoder::new(&mut colour, 32, 32);
        encoder.set_color(ColorType::Rgb);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&[0; 3072]).unwrap();
        writer.finish().unwrap();
        assert!(fails(&colour, 32).contains("8-bit grey"));
    }
}
