//! What a model shows of itself while it trains.

use anyhow::Result;
use tch::Tensor;

/// Where it is shown: TensorBoard, at the step of the evaluation. Tags are paths, `layer/0/dt`.
pub trait Show {
    /// Shows the distribution of `values`, of any shape; NaN and infinite ones are left out.
    ///
    /// # Errors
    /// If `values` cannot be read as numbers.
    fn histogram(&mut self, tag: &str, values: &Tensor) -> Result<()>;

    /// Shows `pixels`, (H, W) or (C, H, W) with C = 1 (grey), 3 (RGB) or 4 (RGBA): floats in
    /// \[0, 1\] or bytes.
    ///
    /// # Errors
    /// If the shape is none of a picture.
    fn picture(&mut self, tag: &str, pixels: &Tensor) -> Result<()>;

    /// Lets `sound` be heard.
    ///
    /// # Errors
    /// If it cannot be encoded.
    fn sound(&mut self, tag: &str, sound: &Sound) -> Result<()>;
}

/// A whole WAV file and its description.
#[derive(Debug, Clone)]
pub struct Sound {
    /// The bytes of the file.
    pub wav: Vec<u8>,
    /// Samples in a second.
    pub rate: u32,
    /// Channels.
    pub channels: u16,
    /// Samples of each channel.
    pub frames: usize,
}
