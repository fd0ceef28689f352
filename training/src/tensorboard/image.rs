//! A tensor as a PNG file.

use anyhow::{Context, Result, bail};
use png::{BitDepth, ColorType, Encoder};
use tch::{Device, Kind, Tensor};
use tensorboard_proto::summary::Summary_Image;

/// `pixels` is (H, W) or (C, H, W); see [`crate::show::Show::picture`].
pub(super) fn from_tensor(pixels: &Tensor) -> Result<Summary_Image> {
    let (channels, height, width) = match *pixels.size().as_slice() {
        [h, w] => (1, h, w),
        [c, h, w] => (c, h, w),
        ref other => bail!("it has shape {other:?}, expected (H, W) or (C, H, W)"),
    };
    let color = match channels {
        1 => ColorType::Grayscale,
        3 => ColorType::Rgb,
        4 => ColorType::Rgba,
        other => bail!("it has {other} channels, expected 1, 3 or 4"),
    };
    let bytes = if pixels.is_floating_point() {
        ((pixels.detach().f_clamp(0.0, 1.0)? * 255.0).f_round()?).f_to_kind(Kind::Uint8)?
    } else {
        pixels.f_to_kind(Kind::Uint8)?
    };
    let bytes = bytes.f_reshape([channels, height, width])?.f_permute([1, 2, 0])?;
    let bytes: Vec<u8> =
        Vec::try_from(bytes.f_contiguous()?.f_to_device(Device::Cpu)?.f_reshape([-1])?)?;

    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, u32::try_from(width)?, u32::try_from(height)?);
    encoder.set_color(color);
    encoder.set_depth(BitDepth::Eight);
    encoder
        .write_header()
        .and_then(|mut png| png.write_image_data(&bytes))
        .context("cannot encode it as PNG")?;

    let mut image = Summary_Image::new();
    image.set_height(i32::try_from(height)?);
    image.set_width(i32::try_from(width)?);
    image.set_colorspace(channels as i32);
    image.set_encoded_image_string(file);
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_come_back_in_place() {
        // Red in the top left corner of a picture of 2 x 3, out of range below.
        let pixels = Tensor::zeros([3, 2, 3], (Kind::Float, Device::Cpu));
        let _ = pixels.get(0).get(0).get(0).fill_(1.0);
        let _ = pixels.get(2).get(1).get(2).fill_(-5.0);
        let image = from_tensor(&pixels).unwrap();
        assert_eq!((image.height, image.width, image.colorspace), (2, 3, 3));
        let decoder = png::Decoder::new(std::io::Cursor::new(image.encoded_image_string));
        let mut reader = decoder.read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut bytes).unwrap();
        let mut expected = vec![0; 18];
        expected[0] = 255;
        assert_eq!(bytes, expected);
    }

    #[test]
    fn other_shapes_are_refused() {
        for shape in [vec![4], vec![2, 4, 4], vec![1, 1, 4, 4]] {
            let pixels = Tensor::zeros(shape.as_slice(), (Kind::Float, Device::Cpu));
            assert!(from_tensor(&pixels).is_err(), "{shape:?}");
        }
    }
}
