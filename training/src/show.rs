//! What a model shows of itself while it trains.

use anyhow::Result;
use s4_core::layer::{SequenceLayer, inspect};
use tch::{Device, Kind, Tensor};

use crate::canvas::{BLACK, CARD, Canvas, Colour, GREY, LINE, RIGHT, WRONG, mixed};

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

    /// Shows Markdown.
    ///
    /// # Errors
    /// If it cannot be encoded.
    fn text(&mut self, tag: &str, text: &str) -> Result<()>;

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

/// Shows what the layers of `backbone` have learned: distributions of Δ (`dt/PLACE`) and Re A
/// (`re_A/PLACE`), and convolution kernels (`kernel/PLACE`).
///
/// # Errors
/// If something cannot be shown.
pub fn layers(backbone: &dyn SequenceLayer, show: &mut dyn Show) -> Result<()> {
    for (tag, values) in inspect::spectra(backbone) {
        show.histogram(&tag, &values)?;
    }
    for (tag, kernels) in inspect::kernels(backbone) {
        show.picture(&tag, &kernel_picture(&kernels)?.to_tensor())?;
    }
    Ok(())
}

/// Height of a channel in pixels.
const CHANNEL: usize = 4;

/// Kernels (channels, positions), a row each, relative to the largest value of the row.
fn kernel_picture(kernels: &Tensor) -> Result<Canvas> {
    let (channels, positions) = kernels.size2()?;
    let largest = kernels.abs().amax([1i64].as_slice(), true).clamp_min(f64::MIN_POSITIVE);
    let relative = (kernels / largest).to_kind(Kind::Float).to_device(Device::Cpu);
    let values: Vec<f32> = Vec::try_from(relative.reshape([-1]))?;
    let colour =
        |&value: &f32| -> Colour { mixed(if value < 0.0 { WRONG } else { RIGHT }, value.abs()) };
    let rows = Canvas::of(positions as usize, values.iter().map(colour).collect());
    let (width, height) = (rows.width().min(CARD - 2), CHANNEL * rows.height());
    let mut canvas = Canvas::new(width + 2, height + 2 + LINE);
    canvas.put(1, 1, &rows.resized(width, height));
    canvas.frame(0, 0, width + 2, height + 2, GREY);
    let words = format!("{channels} channels, {positions} positions; blue +, orange -");
    canvas.text(1, height + 2, &words, BLACK);
    Ok(canvas)
}
