//! Pictures as sequences of tokens: the bytes of an image, each of which is asked for after all before.

use anyhow::Result;

use super::images::Images;
use crate::batch::{Example, Label, Sequences};
use crate::language::vocabulary::START;
use crate::split::Examples;

/// Images, each a sequence of its own: pixel by pixel, row by row, red before green before blue. Before
/// the first byte stands token 0.
#[derive(Debug)]
pub struct Subpixels {
    images: Images,
    /// Bytes of an image.
    size: usize,
}

impl Subpixels {
    /// Images of `size` bytes each.
    pub fn new(images: Images, size: usize) -> Self {
        Self { images, size }
    }
}

impl Examples for Subpixels {
    fn len(&self) -> usize {
        self.images.labels.len()
    }

    fn example(&self, index: usize) -> Result<Example> {
        let bytes = &self.images.pixels[index * self.size..][..self.size];
        let start = std::iter::once(i64::from(START));
        let tokens = start.chain(bytes.iter().map(|&byte| byte.into())).collect();
        Ok(Example { sequences: vec![Sequences::Tokens(tokens)], label: Label::Next })
    }

    fn label(&self, _: usize) -> Result<Label> {
        Ok(Label::Next)
    }
}
