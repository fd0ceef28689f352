//! PNG files of one size as sequences of grey pixels, row by row, read when they are asked for.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use png::{Reader, Transformations};
use program::interrupt;
use rayon::prelude::*;

use super::images::luma;
use crate::batch::{Example, Sequences};
use crate::split::Examples;

/// Pictures of one split.
#[derive(Debug)]
pub struct GreyPngs {
    /// Files with their classes.
    pub files: Vec<(PathBuf, i64)>,
    /// Width and height of every picture.
    pub size: (u32, u32),
    /// Pixels kept of a picture.
    pub max_length: usize,
}

impl Examples for GreyPngs {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn example(&self, index: usize) -> Result<Example> {
        let (path, label) = &self.files[index];
        let mut bytes =
            pixels(path, self.size).with_context(|| format!("{} is not usable", path.display()))?;
        bytes.truncate(self.max_length);
        Ok(Example { sequences: vec![Sequences::Bytes(bytes)], label: *label })
    }

    fn label(&self, index: usize) -> Result<i64> {
        Ok(self.files[index].1)
    }
}

/// Width and height that all these pictures have.
///
/// # Errors
/// If one is not readable, or not of the size of the first.
pub fn common_size(paths: &[PathBuf]) -> Result<(u32, u32)> {
    let first = paths.first().context("there are no pictures")?;
    let size = |path: &PathBuf| -> Result<(u32, u32)> {
        let reader = reader(path).with_context(|| format!("{} is not usable", path.display()))?;
        Ok((reader.info().width, reader.info().height))
    };
    let expected = size(first)?;
    paths.par_iter().try_for_each(|path| {
        interrupt::check()?;
        let found = size(path)?;
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
        Ok(())
    })?;
    Ok(expected)
}

fn reader(path: &Path) -> Result<Reader<BufReader<File>>> {
    let file = File::open(path).context("cannot open it")?;
    let mut decoder = png::Decoder::new(BufReader::new(file));
    decoder.set_transformations(Transformations::normalize_to_color8());
    decoder.read_info().context("it is not a readable PNG")
}

/// Luma of all pixels; transparency is ignored.
fn pixels(path: &Path, size: (u32, u32)) -> Result<Vec<u8>> {
    let mut reader = reader(path)?;
    let found = (reader.info().width, reader.info().height);
    ensure!(found == size, "it has become {} x {} pixels", found.0, found.1);
    let mut data = vec![0; reader.output_buffer_size().context("it is too large")?];
    reader.next_frame(&mut data).context("its image data are damaged or end too early")?;
    let samples = reader.output_color_type().0.samples();
    let grey = |pixel: &[u8]| match *pixel {
        [r, g, b] | [r, g, b, _] => luma([r, g, b]),
        [grey, ..] => grey,
        [] => 0,
    };
    Ok(data.chunks_exact(samples).map(grey).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use png::{BitDepth, ColorType};

    use super::*;
    use crate::split::Split;

    fn write(path: &Path, color: ColorType, (width, height): (u32, u32), data: &[u8]) {
        let mut encoder = png::Encoder::new(File::create(path).unwrap(), width, height);
        encoder.set_color(color);
        encoder.set_depth(BitDepth::Eight);
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
        let files: Vec<_> =
            ["grey", "alpha", "rgb", "rgba"].map(|n| path(&format!("{n}.png"))).into();
        assert_eq!(common_size(&files).unwrap(), (2, 1));
        let files: Vec<_> = files.into_iter().zip(0..).collect();
        let pictures =
            |max_length| Split::new(GreyPngs { files: files.clone(), size: (2, 1), max_length });
        let batch = pictures(100).batch(&[3, 1, 0, 2]).unwrap();
        assert_eq!(batch.sequences, Sequences::Bytes([7, 250].repeat(4)));
        assert_eq!(batch.labels, [3, 1, 0, 2]);
        assert_eq!(pictures(1).batch(&[0]).unwrap().sequences, Sequences::Bytes(vec![7]));
    }

    #[test]
    fn other_sizes_and_damage_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        write(&path("a.png"), ColorType::Grayscale, (2, 2), &[0; 4]);
        write(&path("b.png"), ColorType::Grayscale, (3, 2), &[0; 6]);
        let error = common_size(&[path("a.png"), path("b.png")]).unwrap_err().to_string();
        assert!(error.contains("2 x 2") && error.contains("b.png has 3 x 2"), "{error}");
        fs::write(path("c.png"), "GIF89a").unwrap();
        let error = format!("{:#}", common_size(&[path("a.png"), path("c.png")]).unwrap_err());
        assert!(error.contains("c.png") && error.contains("PNG"), "{error}");
        let whole = fs::read(path("a.png")).unwrap();
        fs::write(path("a.png"), &whole[..whole.len() - 20]).unwrap();
        let files = vec![(path("a.png"), 0)];
        let error = GreyPngs { files, size: (2, 2), max_length: 4 }.example(0).unwrap_err();
        assert!(format!("{error:#}").contains("a.png"), "{error:#}");
    }
}
