//! Labelled images in memory, read as sequences of pixels row by row.

use std::sync::Arc;

use anyhow::Result;

use crate::batch::{Example, Label, Sequences};
use crate::split::Examples;

/// All images and labels of a part of a data set.
#[derive(Debug)]
pub struct Images {
    /// Pixels of one image after the other, the colours of a pixel next to each other.
    pub pixels: Vec<u8>,
    /// Class of each image.
    pub labels: Vec<u8>,
    /// Pixels per image.
    pub length: usize,
    /// Position in the image of each position in the sequence, of grey images; `None`: row by row.
    order: Option<Arc<Vec<usize>>>,
    /// By colour; `None`: one colour, byte / 255.
    levels: Option<Vec<Levels>>,
}

/// What is kept of a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Its luma: one byte.
    Grey,
    /// Red, green and blue: three bytes.
    Rgb,
}

/// What each byte of one colour becomes.
type Levels = [f32; 256];

/// Mean and standard deviation of the values byte / 255 of one colour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moments {
    /// Mean of the values.
    pub mean: f64,
    /// Standard deviation.
    pub std: f64,
}

impl Images {
    /// Grey images of `length` pixels.
    pub fn grey(pixels: Vec<u8>, labels: Vec<u8>, length: usize) -> Self {
        Self { pixels, labels, length, order: None, levels: None }
    }

    /// The same grey images with their pixels in `order`.
    pub fn in_order(self, order: Arc<Vec<usize>>) -> Self {
        Self { order: Some(order), ..self }
    }

    /// The same images, which have one colour for each of `moments`, standardised by them.
    pub fn standardised(self, moments: &[Moments]) -> Self {
        let levels = |&Moments { mean, std }: &Moments| -> Levels {
            std::array::from_fn(|byte| ((byte as f64 / 255.0 - mean) / std) as f32)
        };
        Self { levels: Some(moments.iter().map(levels).collect()), ..self }
    }

    /// The sequence that an image becomes, of these or of others like them.
    pub fn sequence(&self, image: &[u8]) -> Sequences {
        let bytes = match &self.order {
            None => image.to_vec(),
            Some(order) => order.iter().map(|&position| image[position]).collect(),
        };
        match &self.levels {
            None => Sequences::Bytes(bytes),
            Some(levels) => {
                let colours = levels.iter().cycle();
                let values = bytes.iter().zip(colours).map(|(&byte, level)| level[byte as usize]);
                Sequences::Values { values: values.collect(), features: levels.len() }
            }
        }
    }
}

impl Examples for Images {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn example(&self, index: usize) -> Result<Example> {
        let size = self.length * self.levels.as_ref().map_or(1, Vec::len);
        let image = &self.pixels[index * size..][..size];
        let sequences = vec![self.sequence(image)];
        Ok(Example { sequences, label: self.labels[index].into() })
    }

    fn label(&self, index: usize) -> Result<Label> {
        Ok(self.labels[index].into())
    }
}

/// Luma of ITU-R BT.601 in the fixed-point arithmetic of Pillow, which the official code uses.
pub fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((u32::from(r) * 19_595 + u32::from(g) * 38_470 + u32::from(b) * 7_471 + 0x8000) >> 16) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Labels;
    use crate::split::Split;

    #[test]
    fn pixels_come_in_the_order_asked_for() {
        let images = Images::grey(vec![1, 2, 3, 4, 5, 6], vec![7, 8], 3);
        let images = images.in_order(Arc::new(vec![2, 0, 1]));
        let batch = Split::new(images).batch(&[0, 1]).unwrap();
        assert_eq!(batch.sequences, Sequences::Bytes(vec![3, 1, 2, 6, 4, 5]));
        assert_eq!(batch.labels, Labels::Classes(vec![7, 8]));
    }

    #[test]
    fn each_colour_is_standardised_by_its_own_moments() {
        let images = Images::grey(vec![0, 255, 51, 102], vec![3], 2);
        let moments = [Moments { mean: 0.2, std: 0.5 }, Moments { mean: 0.4, std: 0.2 }];
        let batch = Split::new(images.standardised(&moments)).batch(&[0]).unwrap();
        let Sequences::Values { values, features: 2 } = batch.sequences else { panic!() };
        for (value, expected) in values.iter().zip([-0.4, 3.0, 0.0, 0.0]) {
            assert!((value - expected).abs() < 1e-6, "{values:?}");
        }
        assert_eq!(batch.length, 2);
    }

    /// Values of Pillow 13: `Image.new("RGB", (1, 1), rgb).convert("L").getpixel((0, 0))`.
    #[test]
    fn luma_is_that_of_pillow() {
        for (rgb, expected) in [
            ([0, 0, 0], 0),
            ([255, 255, 255], 255),
            ([255, 0, 0], 76),
            ([0, 255, 0], 150),
            ([0, 0, 255], 29),
            ([1, 2, 3], 2),
            ([200, 100, 50], 124),
        ] {
            assert_eq!(luma(rgb), expected, "{rgb:?}");
        }
    }
}
