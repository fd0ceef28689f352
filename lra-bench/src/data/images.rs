//! Labelled grey images in memory, read as sequences of pixels row by row.

use std::sync::Arc;

use anyhow::Result;
use training::dataset::Dataset;

use super::batch::{Batch, Sequences};

/// All images and labels of a file pair.
#[derive(Debug)]
pub struct Images {
    /// Pixels of one image after the other.
    pub pixels: Vec<u8>,
    /// Class of each image.
    pub labels: Vec<u8>,
    /// Pixels an image.
    pub length: usize,
}

/// Some of the images: one split.
#[derive(Debug)]
pub struct ImageSplit {
    images: Arc<Images>,
    indices: Vec<usize>,
    /// Position in the image of each position in the sequence; absent: row by row.
    order: Option<Arc<Vec<usize>>>,
}

impl ImageSplit {
    /// The images `indices`, pixels in `order` (row by row where absent).
    pub fn new(images: Arc<Images>, indices: Vec<usize>, order: Option<Arc<Vec<usize>>>) -> Self {
        Self { images, indices, order }
    }
}

impl Dataset for ImageSplit {
    type Batch = Batch;

    fn len(&self) -> usize {
        self.indices.len()
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch> {
        let Images { pixels, labels, length } = &*self.images;
        let mut bytes = Vec::with_capacity(indices.len() * length);
        for &i in indices {
            let at = self.indices[i] * length;
            let image = &pixels[at..at + length];
            match &self.order {
                None => bytes.extend_from_slice(image),
                Some(order) => bytes.extend(order.iter().map(|&p| image[p])),
            }
        }
        Ok(Batch {
            sequences: Sequences::Bytes(bytes),
            length: *length,
            lengths: None,
            labels: indices.iter().map(|&i| labels[self.indices[i]].into()).collect(),
        })
    }
}
