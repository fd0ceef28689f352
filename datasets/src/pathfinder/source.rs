//! What training reads: numbered images with labels, wherever they come from.

use std::ops::Range;
use std::sync::Arc;

use anyhow::{Result, ensure};

use super::{Generator, Spec};
use crate::batch::{Example, Label, Sequences};
use crate::split::Examples;

/// Square 8-bit grey images with labels, read from any number of threads.
pub trait ImageSource: Send + Sync {
    /// Number of images.
    fn len(&self) -> usize;

    /// Side length of every image in pixels.
    fn side(&self) -> usize;

    /// Writes image `index` to `pixels`, `side * side` bytes row by row, 0 black to 255 white, and
    /// returns its label, 0 or 1.
    ///
    /// # Errors
    /// If the index or the buffer's length is wrong, or the image cannot be had.
    fn get(&self, index: usize, pixels: &mut [u8]) -> Result<u8>;

    /// The label of image `index` alone.
    ///
    /// # Errors
    /// If the index is wrong, or the image cannot be had.
    fn label(&self, index: usize) -> Result<u8>;

    /// Whether there are no images.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Refuses an index or a buffer that does not fit a source.
pub(super) fn check_request(source: &dyn ImageSource, index: usize, buffer: usize) -> Result<()> {
    ensure!(index < source.len(), "image {index} was asked for, but there are {}", source.len());
    let side = source.side();
    ensure!(
        buffer == side * side,
        "an image of {side} x {side} pixels needs a buffer of {} bytes, not {buffer}",
        side * side
    );
    Ok(())
}

/// Images straight from the generator: nothing is read or written.
#[derive(Clone, Debug)]
pub struct Generated {
    generator: Arc<Generator>,
    indices: Range<u64>,
}

impl Generated {
    /// Images `indices` of a seed's endless sequence. Ranges that do not overlap have no image in
    /// common, so that training, validation and test sets are ranges of one seed.
    ///
    /// # Errors
    /// If the specification is not valid.
    pub fn new(spec: Spec, seed: u64, indices: Range<u64>) -> Result<Self> {
        Ok(Self { generator: Arc::new(Generator::new(spec, seed)?), indices })
    }

    /// Consecutive ranges of one seed, one for each count: the first is images 0 to `counts[0]`,
    /// the next follows it, and so on.
    ///
    /// # Errors
    /// If the specification is not valid.
    pub fn parts<const N: usize>(spec: Spec, seed: u64, counts: [u64; N]) -> Result<[Self; N]> {
        let generator = Arc::new(Generator::new(spec, seed)?);
        let mut start = 0;
        Ok(counts.map(|count| {
            let indices = start..start + count;
            start += count;
            Self { generator: Arc::clone(&generator), indices }
        }))
    }

    /// The generator.
    pub fn generator(&self) -> &Generator {
        &self.generator
    }

    /// The range of the seed's images.
    pub fn indices(&self) -> Range<u64> {
        self.indices.clone()
    }
}

impl ImageSource for Generated {
    fn len(&self) -> usize {
        self.indices.end.saturating_sub(self.indices.start) as usize
    }

    fn side(&self) -> usize {
        self.generator.spec().size
    }

    fn get(&self, index: usize, pixels: &mut [u8]) -> Result<u8> {
        check_request(self, index, pixels.len())?;
        let index = self.indices.start + index as u64;
        Ok(self.generator.generate(index, pixels)?.label)
    }

    fn label(&self, index: usize) -> Result<u8> {
        Ok(self.generator.label(self.indices.start + index as u64))
    }
}

/// Images as examples: sequences of pixels, row by row.
#[derive(Debug)]
pub struct Pixels<S>(pub S);

impl<S: ImageSource> Examples for Pixels<S> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn example(&self, index: usize) -> Result<Example> {
        let mut pixels = vec![0; self.0.side() * self.0.side()];
        let label = self.0.get(index, &mut pixels)?;
        Ok(Example { sequences: vec![Sequences::Bytes(pixels)], label: label.into() })
    }

    fn label(&self, index: usize) -> Result<Label> {
        Ok(self.0.label(index)?.into())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Difficulty;
    use super::*;
    use crate::batch::Labels;
    use crate::split::Split;

    #[test]
    fn parts_follow_each_other() {
        let spec = Spec::official(32, Difficulty::Easy).unwrap();
        let whole = Generated::new(spec.clone(), 4, 0..9).unwrap();
        let [train, val, test] = Generated::parts(spec, 4, [6, 2, 1]).unwrap();
        assert_eq!((train.len(), val.len(), test.len()), (6, 2, 1));
        let (mut a, mut b) = (vec![0; 1024], vec![0; 1024]);
        for (part, index, number) in [(&train, 5, 5), (&val, 1, 7), (&test, 0, 8)] {
            let label = part.get(index, &mut a).unwrap();
            assert_eq!(whole.get(number, &mut b).unwrap(), label);
            assert_eq!(a, b);
        }
        assert!(val.get(2, &mut a).unwrap_err().to_string().contains("there are 2"));
        let examples = Split::new(Pixels(whole.clone()));
        let Labels::Classes(labels) = examples.batch(&[0, 1, 2, 3, 4, 5, 6, 7, 8]).unwrap().labels
        else {
            panic!("they are classes");
        };
        for (index, label) in labels.into_iter().enumerate() {
            assert_eq!(examples.label(index).unwrap(), label.into());
        }
    }
}
