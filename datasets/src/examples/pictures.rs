//! PNG and JPEG files of one size as sequences of grey pixels, row by row, read when they are asked
//! for. What a file holds is decided by its content, not by its name.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use png::Transformations;
use program::interrupt;
use rayon::prelude::*;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::images::{Colour, luma};
use crate::batch::{Example, Label, Sequences};
use crate::split::Examples;

/// More than any sequence of pixels has: guards against a header that makes things up.
const MAX_PIXELS: u64 = 1 << 26;

/// Width and height, in pixels.
pub type Size = (u32, u32);

/// Pictures of one split.
#[derive(Debug)]
pub struct Pictures {
    /// Files with their labels.
    pub files: Vec<(PathBuf, Label)>,
    /// Width and height of every picture.
    pub size: Size,
    /// Pixels kept of a picture.
    pub max_length: usize,
}

impl Examples for Pictures {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn example(&self, index: usize) -> Result<Example> {
        let (path, label) = &self.files[index];
        let not_usable = || format!("{} is not usable", path.display());
        let (found, mut bytes) = read(path, Colour::Grey).with_context(not_usable)?;
        if found != self.size {
            bail!("{}: it has become {} x {} pixels", not_usable(), found.0, found.1);
        }
        bytes.truncate(self.max_length);
        Ok(Example { sequences: vec![Sequences::Bytes(bytes)], label: label.clone() })
    }

    fn label(&self, index: usize) -> Result<Label> {
        Ok(self.files[index].1.clone())
    }

    fn name(&self, index: usize) -> Option<PathBuf> {
        Some(self.files[index].0.clone())
    }
}

/// Reads all these pictures to their ends: width and height of each, or what is wrong with it.
/// `progress` is called with each that is done, from any thread.
///
/// # Errors
/// If the user interrupts.
pub fn check(paths: &[PathBuf], progress: &(dyn Fn() + Sync)) -> Result<Vec<Result<Size>>> {
    let check = |path: &PathBuf| {
        interrupt::check()?;
        let size = read(path, Colour::Grey).map(|(size, _)| size);
        progress();
        Ok(size)
    };
    paths.par_iter().map(check).collect()
}

/// Width and height that all these pictures have, if there are any.
///
/// # Errors
/// If two are of different sizes.
pub fn common_size<'a>(
    pictures: impl IntoIterator<Item = (&'a Path, Size)>,
) -> Result<Option<Size>> {
    let mut pictures = pictures.into_iter();
    let Some((first, expected)) = pictures.next() else { return Ok(None) };
    for (path, found) in pictures {
        ensure!(
            found == expected,
            "{} has {} x {} pixels and {} has {} x {}: all must be of one size; scale or crop them",
            first.display(),
            expected.0,
            expected.1,
            path.display(),
            found.0,
            found.1
        );
    }
    Ok(Some(expected))
}

/// Whether a file of this name is one that is read.
pub fn is_picture_name(path: &Path) -> bool {
    let suffix = path.extension().unwrap_or_default().to_ascii_lowercase();
    ["png", "jpg", "jpeg", "jpe", "jfif"].iter().any(|known| suffix == *known)
}

/// Width, height, and all pixels.
///
/// # Errors
/// If it is not a whole picture.
pub fn read(path: &Path, colour: Colour) -> Result<(Size, Vec<u8>)> {
    decode(&fs::read(path).context("cannot read it")?, colour)
}

/// Width, height, and all pixels of a file in memory; transparency is ignored.
///
/// # Errors
/// If it is neither a whole PNG nor a whole JPEG.
pub fn decode(bytes: &[u8], colour: Colour) -> Result<(Size, Vec<u8>)> {
    match bytes {
        [] => bail!("the file is empty"),
        [0xFF, 0xD8, ..] => decode_jpeg(bytes, colour),
        _ => decode_png(bytes, colour),
    }
}

fn decode_png(bytes: &[u8], colour: Colour) -> Result<(Size, Vec<u8>)> {
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().context("it is neither a readable PNG nor a JPEG")?;
    let size = (reader.info().width, reader.info().height);
    ensure_size(size)?;
    let mut data = vec![0; reader.output_buffer_size().context("it is too large")?];
    reader.next_frame(&mut data).context("its image data are damaged or end too early")?;
    // On to the end: a file that was cut off after the last row is noticed as well.
    reader.finish().context("it ends too early, or its last part is damaged")?;
    let samples = reader.output_color_type().0.samples();
    Ok((size, pixels(&data, samples, colour)))
}

fn decode_jpeg(bytes: &[u8], colour: Colour) -> Result<(Size, Vec<u8>)> {
    const DAMAGED: &str = "it is no readable JPEG: it is damaged or ends too early";
    // Viewers show what there is of a damaged file, and fill the rest with grey.
    let mut options = DecoderOptions::default().set_strict_mode(true);
    let mut decoder = JpegDecoder::new_with_options(Cursor::new(bytes), options);
    decoder.decode_headers().context(DAMAGED)?;
    let info = decoder.info().context(DAMAGED)?;
    let size = (u32::from(info.width), u32::from(info.height));
    ensure_size(size)?;
    let samples = if info.components == 1 { 1 } else { 3 };
    options = options.jpeg_set_out_colorspace(match samples {
        1 => ColorSpace::Luma,
        _ => ColorSpace::RGB,
    });
    decoder.set_options(options);
    let data = decoder.decode().context(DAMAGED)?;
    // The decoder does not miss what comes after the last row.
    let start = last(bytes, [0xFF, 0xDA]).unwrap_or(0);
    last(&bytes[start..], [0xFF, 0xD9]).context(DAMAGED)?;
    Ok((size, pixels(&data, samples, colour)))
}

fn last(bytes: &[u8], marker: [u8; 2]) -> Option<usize> {
    bytes.windows(2).rposition(|pair| pair == marker)
}

fn ensure_size((width, height): Size) -> Result<()> {
    ensure!(
        u64::from(width) * u64::from(height) <= MAX_PIXELS,
        "its header claims {width} x {height} pixels, more than a sequence may have"
    );
    Ok(())
}

fn pixels(data: &[u8], samples: usize, colour: Colour) -> Vec<u8> {
    let rgb = data.chunks_exact(samples).map(|pixel| match *pixel {
        [r, g, b] | [r, g, b, _] => [r, g, b],
        [grey, ..] => [grey; 3],
        [] => [0; 3],
    });
    match colour {
        Colour::Grey => rgb.map(luma).collect(), // of a grey pixel the same grey
        Colour::Rgb => rgb.flatten().collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use png::{BitDepth, ColorType};

    use super::*;
    use crate::batch::Labels;
    use crate::split::Split;

    fn write(path: &Path, color: ColorType, (width, height): (u32, u32), data: &[u8]) {
        let mut encoder = png::Encoder::new(File::create(path).unwrap(), width, height);
        encoder.set_color(color);
        encoder.set_depth(BitDepth::Eight);
        if color == ColorType::Indexed {
            encoder.set_palette([7, 7, 7, 250, 250, 250].as_slice());
        }
        encoder.write_header().unwrap().write_image_data(data).unwrap();
    }

    #[test]
    fn colours_become_grey() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        write(&path("grey.png"), ColorType::Grayscale, (2, 1), &[7, 250]);
        write(&path("alpha.png"), ColorType::GrayscaleAlpha, (2, 1), &[7, 0, 250, 255]);
        write(&path("rgb.png"), ColorType::Rgb, (2, 1), &[7, 7, 7, 250, 250, 250]);
        write(&path("rgba.png"), ColorType::Rgba, (2, 1), &[7, 7, 7, 9, 250, 250, 250, 9]);
        write(&path("indexed.png"), ColorType::Indexed, (2, 1), &[0, 1]);
        let names = ["grey", "alpha", "rgb", "rgba", "indexed"];
        let files: Vec<_> = names.map(|n| path(&format!("{n}.png"))).into();
        for size in check(&files, &|| {}).unwrap() {
            assert_eq!(size.unwrap(), (2, 1));
        }
        let files: Vec<_> = files.into_iter().zip((0..5).map(Label::Class)).collect();
        let pictures =
            |max_length| Split::new(Pictures { files: files.clone(), size: (2, 1), max_length });
        let batch = pictures(100).batch(&[3, 1, 0, 2, 4]).unwrap();
        assert_eq!(batch.sequences, Sequences::Bytes([7, 250].repeat(5)));
        assert_eq!(batch.labels, Labels::Classes(vec![3, 1, 0, 2, 4]));
        assert_eq!(pictures(1).batch(&[0]).unwrap().sequences, Sequences::Bytes(vec![7]));
    }

    #[test]
    fn jpegs_are_read_whole_or_not_at_all() {
        for (name, expected) in [("grey", 60), ("colour", 60), ("progressive", 60), ("cmyk", 60)] {
            let file = format!("tests/data/pictures/{name}.jpg");
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
            let bytes = fs::read(path).unwrap();
            let (size, pixels) = decode(&bytes, Colour::Grey).unwrap();
            assert_eq!(size, (24, 16), "{name}");
            assert!(pixels[..4].iter().all(|&x| x.abs_diff(expected) < 8), "{name}: {pixels:?}");
            for end in [2, 20, bytes.len() / 2, bytes.len() * 3 / 4, bytes.len() - 2] {
                let error = decode(&bytes[..end], Colour::Grey).map(|_| ()).unwrap_err();
                assert!(format!("{error:#}").contains("JPEG"), "{name}, {end}: {error:#}");
            }
        }
    }

    #[test]
    fn other_sizes_and_damage_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        write(&path("a.png"), ColorType::Grayscale, (2, 2), &[0; 4]);
        let sizes = [(Path::new("a.png"), (2, 2)), (Path::new("b.png"), (3, 2))];
        let error = common_size(sizes).unwrap_err().to_string();
        assert!(error.contains("2 x 2") && error.contains("b.png has 3 x 2"), "{error}");
        fs::write(path("c.png"), "GIF89a").unwrap();
        let whole = fs::read(path("a.png")).unwrap();
        let found = check(&[path("a.png"), path("c.png"), path("d.png")], &|| {}).unwrap();
        assert_eq!(*found[0].as_ref().unwrap(), (2, 2));
        let error = format!("{:#}", found[1].as_ref().unwrap_err());
        assert!(error.contains("PNG"), "{error}");
        assert!(found[2].is_err());
        for end in [0, 10, whole.len() - 20, whole.len() - 12, whole.len() - 1] {
            assert!(decode(&whole[..end], Colour::Grey).is_err(), "{end}");
        }
        fs::write(path("a.png"), &whole[..whole.len() - 20]).unwrap();
        let files = vec![(path("a.png"), 0.into())];
        let error = Pictures { files, size: (2, 2), max_length: 4 }.example(0).unwrap_err();
        assert!(format!("{error:#}").contains("a.png"), "{error:#}");
    }
}
