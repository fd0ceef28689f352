//! Labelled images in memory, read as sequences of pixels row by row.

use std::sync::Arc;

use anyhow::Result;
use loader::Dataset;

use super::batch::{Batch, Sequences};

/// All images and labels of a part of a data set.
#[derive(Debug)]
pub struct Images {
    /// Pixels of one image after the other, the colours of a pixel next to each other.
    pub pixels: Vec<u8>,
    /// Class of each image.
    pub labels: Vec<u8>,
    /// Pixels an image.
    pub length: usize,
}

/// What each byte of one colour becomes.
type Levels = [f32; 256];

/// Mean and standard deviation of the values byte / 255 of one colour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moments {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub std: f64,
}

/// Some of the images: one split.
#[derive(Debug)]
pub struct ImageSplit {
    images: Arc<Images>,
    indices: Vec<usize>,
    /// Position in the image of each position in the sequence; absent: row by row.
    order: Option<Arc<Vec<usize>>>,
    /// By colour; absent: one colour, byte / 255.
    levels: Option<Vec<Levels>>,
}

impl ImageSplit {
    /// The grey images `indices`, pixels in `order` (row by row where absent).
    pub fn new(images: Arc<Images>, indices: Vec<usize>, order: Option<Arc<Vec<usize>>>) -> Self {
        Self { images, indices, order, levels: None }
    }

    /// The images `indices` with one colour for each of `moments`, standardised by them.
    pub fn standardised(images: Arc<Images>, indices: Vec<usize>, moments: &[Moments]) -> Self {
        let levels = |&Moments { mean, std }: &Moments| -> Levels {
            std::array::from_fn(|byte| ((byte as f64 / 255.0 - mean) / std) as f32)
        };
        Self { images, indices, order: None, levels: Some(moments.iter().map(levels).collect()) }
    }

    /// Appends the bytes of an image, in order.
    fn bytes(&self, index: usize, out: &mut Vec<u8>) {
        let size = self.images.length * self.levels.as_ref().map_or(1, Vec::len);
        let image = &self.images.pixels[index * size..][..size];
        match &self.order {
            None => out.extend_from_slice(image),
            Some(order) => out.extend(order.iter().map(|&p| image[p])),
        }
    }
}

impl Dataset for ImageSplit {
    type Batch = Batch;

    fn len(&self) -> usize {
        self.indices.len()
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch> {
        let mut bytes = Vec::new();
        for &i in indices {
            self.bytes(self.indices[i], &mut bytes);
        }
        let sequences = match &self.levels {
            None => Sequences::Bytes(bytes),
            Some(levels) => {
                let colours = levels.iter().cycle();
                let values = bytes.iter().zip(colours).map(|(&byte, level)| level[byte as usize]);
                Sequences::Values { values: values.collect(), features: levels.len() }
            }
        };
        let labels = indices.iter().map(|&i| self.images.labels[self.indices[i]].into()).collect();
        Ok(Batch { sequences, length: self.images.length, lengths: None, labels })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_come_in_the_order_asked_for() {
        let images = Images { pixels: vec![1, 2, 3, 4, 5, 6], labels: vec![7, 8], length: 3 };
        let order = Some(Arc::new(vec![2, 0, 1]));
        let split = ImageSplit::new(Arc::new(images), vec![1, 0], order);
        let batch = split.batch(&[1, 0]).unwrap();
        assert_eq!(batch.sequences, Sequences::Bytes(vec![3, 1, 2, 6, 4, 5]));
        assert_eq!(batch.labels, [7, 8]);
    }

    #[test]
    fn each_colour_is_standardised_by_its_own_moments() {
        let images = Images { pixels: vec![0, 255, 51, 102], labels: vec![3], length: 2 };
        let moments = [Moments { mean: 0.2, std: 0.5 }, Moments { mean: 0.4, std: 0.2 }];
        let split = ImageSplit::standardised(Arc::new(images), vec![0], &moments);
        let batch = split.batch(&[0]).unwrap();
        let Sequences::Values { values, features: 2 } = batch.sequences else { panic!() };
        for (value, expected) in values.iter().zip([-0.4, 3.0, 0.0, 0.0]) {
            assert!((value - expected).abs() < 1e-6, "{values:?}");
        }
        assert_eq!(batch.length, 2);
    }
}
