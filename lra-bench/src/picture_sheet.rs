//! Many pictures as one PNG.

use anyhow::{Result, ensure};
use datasets::tasks::density::Picture;
use png::{BitDepth, ColorType, Encoder};

/// Pixels between pictures.
const GAP: usize = 2;

/// A PNG file of pictures, each a sequence of its bytes, in as many columns as rows or one more.
///
/// # Errors
/// If a picture has too few bytes or too many, or values above 255.
pub(crate) fn png(pictures: &[Vec<u32>], picture: Picture) -> Result<Vec<u8>> {
    let Picture { side, colours } = picture;
    let columns = (1..).find(|n| n * n >= pictures.len()).unwrap_or(1);
    let rows = pictures.len().div_ceil(columns);
    let (width, height) = (columns * (side + GAP) - GAP, rows * (side + GAP) - GAP);
    let mut pixels = vec![255; width * height * colours];
    for (number, bytes) in pictures.iter().enumerate() {
        ensure!(bytes.len() == picture.subpixels(), "a picture has {} bytes", bytes.len());
        let (left, top) = (number % columns * (side + GAP), number / columns * (side + GAP));
        for (row, bytes) in bytes.chunks_exact(side * colours).enumerate() {
            let start = ((top + row) * width + left) * colours;
            for (pixel, &byte) in pixels[start..].iter_mut().zip(bytes) {
                *pixel = u8::try_from(byte)?;
            }
        }
    }
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(if colours == 1 { ColorType::Grayscale } else { ColorType::Rgb });
    encoder.set_depth(BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_stand_in_rows_with_gaps() {
        let picture = Picture { side: 2, colours: 3 };
        let one = |value| vec![value; 12];
        let file = png(&[one(10), one(20), one(30)], picture).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (6, 6));
        let at = |x: usize, y: usize| pixels[(y * 6 + x) * 3];
        assert_eq!([at(1, 1), at(2, 0), at(4, 1), at(0, 4), at(4, 4)], [10, 255, 20, 30, 255]);
        assert!(png(&[vec![0; 11]], picture).is_err());
    }
}
