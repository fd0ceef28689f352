//! What is looked at on a page.

use std::fmt::Write;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use png::{BitDepth, ColorType, Encoder};

/// Columns of a waveform.
const COLUMNS: usize = 400;

/// `bytes` of a type such as `audio/wav`, where a page has an address.
pub fn data_uri(media_type: &str, bytes: &[u8]) -> String {
    format!("data:{media_type};base64,{}", STANDARD.encode(bytes))
}

/// A PNG of 8-bit red, green and blue, row by row from the top.
///
/// # Errors
/// If the pixels are not `width` x `height`.
pub fn png(width: usize, height: usize, pixels: &[u8]) -> Result<Vec<u8>> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, u32::try_from(width)?, u32::try_from(height)?);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    let written = encoder.write_header().and_then(|mut png| png.write_image_data(pixels));
    written.context("cannot encode it as PNG")?;
    Ok(file)
}

/// The course of `samples` in [-1, 1], time to the right, as an SVG element that takes the width and
/// the text colour of its place. Each column is the range of its samples.
pub fn waveform(samples: &[f32]) -> String {
    let mut path = String::new();
    let columns = COLUMNS.min(samples.len());
    for column in 0..columns {
        let end = |column: usize| column * samples.len() / columns;
        let range = samples[end(column)..end(column + 1)].iter().filter(|x| x.is_finite());
        let (low, high) =
            range.fold((1.0f32, -1.0f32), |(low, high), x| (low.min(*x), high.max(*x)));
        if low <= high {
            let y = |level: f32| 50.0 - 50.0 * level.clamp(-1.0, 1.0);
            // At least a dot for silence.
            let (top, bottom) = (y(high) - 0.5, y(low) + 0.5);
            let x = (column as f32 + 0.5) * COLUMNS as f32 / columns as f32;
            let _ = write!(path, "M{x:.1} {top:.1}V{bottom:.1}");
        }
    }
    let stroke = 1.1 * COLUMNS as f32 / columns.max(1) as f32;
    format!(
        "<svg class=\"waveform\" viewBox=\"0 0 {COLUMNS} 100\" preserveAspectRatio=\"none\" \
         role=\"img\" aria-label=\"waveform\"><path d=\"{path}\" stroke=\"currentColor\" \
         stroke-width=\"{stroke:.1}\" fill=\"none\"/></svg>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_addresses() {
        assert_eq!(data_uri("text/plain", b"S4!"), "data:text/plain;base64,UzQh");
    }

    #[test]
    fn pictures_have_the_size_of_their_pixels() {
        assert!(png(2, 1, &[0; 6]).unwrap().starts_with(b"\x89PNG"));
        assert!(png(2, 2, &[0; 6]).is_err());
    }

    #[test]
    fn waveforms_stay_inside() {
        for samples in [vec![], vec![0.0], vec![7.0, -7.0, f32::NAN], vec![0.5; 100_000]] {
            let svg = waveform(&samples);
            assert!(svg.matches('M').count() <= COLUMNS && !svg.contains("NaN"), "{svg}");
        }
        assert!(waveform(&[7.0, -1.0]).contains("M100.0 -0.5V0.5M300.0 99.5V100.5"));
    }
}
