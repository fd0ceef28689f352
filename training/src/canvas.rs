//! Small pictures with words on them, for TensorBoard.
//!
//! Coordinates are pixels from the top left corner. What lies outside of the picture is not drawn.

use std::convert::Infallible;

use embedded_graphics::Pixel;
use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::iso_8859_1::FONT_6X12 as FONT;
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{
    PrimitiveStyle, PrimitiveStyleBuilder, Rectangle, StrokeAlignment,
};
use embedded_graphics::text::{Baseline, Text};
use tch::{Kind, Tensor};

/// Red, green and blue.
pub type Colour = [u8; 3];

/// Colours of words and frames.
pub const WHITE: Colour = [255; 3];
/// As above.
pub const BLACK: Colour = [0; 3];
/// Of what is beside the point.
pub const GREY: Colour = [128; 3];
/// Of what is right, and can be told from [`WRONG`] by colour-blind people.
pub const RIGHT: Colour = [0x00, 0x72, 0xb2];
/// Of what is wrong.
pub const WRONG: Colour = [0xd5, 0x5e, 0x00];

/// Width of a picture that TensorBoard's cards show pixel by pixel: words on wider ones suffer.
pub const CARD: usize = 340;
/// Width of a letter.
pub const LETTER: usize = 6;
/// Height of a line of text.
pub const LINE: usize = 12;

/// A picture, 8-bit RGB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canvas {
    width: usize,
    height: usize,
    /// Row by row from the top.
    pixels: Vec<Colour>,
}

impl Canvas {
    /// A white picture; at least one pixel.
    pub fn new(width: usize, height: usize) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        Self { width, height, pixels: vec![WHITE; width * height] }
    }

    /// A picture of these pixels, row by row from the top, `width` a row; what is missing in the last
    /// row is white.
    pub fn of(width: usize, mut pixels: Vec<Colour>) -> Self {
        let width = width.max(1);
        let height = pixels.len().div_ceil(width).max(1);
        pixels.resize(width * height, WHITE);
        Self { width, height, pixels }
    }

    /// A picture of `values` as grey levels, from the least (black) to the greatest (white); what is
    /// not finite is orange.
    pub fn grey(width: usize, values: &[f32]) -> Self {
        let finite = || values.iter().copied().filter(|value| value.is_finite());
        let low = finite().fold(f32::INFINITY, f32::min);
        let span = (finite().fold(f32::NEG_INFINITY, f32::max) - low).max(f32::MIN_POSITIVE);
        let level = |&value: &f32| match value.is_finite() {
            true => [(255.0 * (value - low) / span).round() as u8; 3],
            false => WRONG,
        };
        Self::of(width, values.iter().map(level).collect())
    }

    /// Pixels a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The colour at column `x` of row `y`; white outside.
    pub fn at(&self, x: usize, y: usize) -> Colour {
        let is_inside = x < self.width && y < self.height;
        if is_inside { self.pixels[y * self.width + x] } else { WHITE }
    }

    /// Fills a rectangle.
    pub fn fill(&mut self, x: usize, y: usize, width: usize, height: usize, colour: Colour) {
        let style = PrimitiveStyle::with_fill(rgb(colour));
        let Ok(()) = rectangle(x, y, width, height).into_styled(style).draw(self);
    }

    /// Draws the border of a rectangle, one pixel wide and inside of it.
    pub fn frame(&mut self, x: usize, y: usize, width: usize, height: usize, colour: Colour) {
        let style = PrimitiveStyleBuilder::new()
            .stroke_color(rgb(colour))
            .stroke_width(1)
            .stroke_alignment(StrokeAlignment::Inside)
            .build();
        let Ok(()) = rectangle(x, y, width, height).into_styled(style).draw(self);
    }

    /// Writes one line of `text` to the right of `x` and below `y`. Letters that the font lacks,
    /// those beyond Western European languages, are question marks.
    pub fn text(&mut self, x: usize, y: usize, text: &str, colour: Colour) {
        let style = MonoTextStyle::new(&FONT, rgb(colour));
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let Ok(_) = Text::with_baseline(&text, point(x, y), style, Baseline::Top).draw(self);
    }

    /// Puts `picture` with its top left corner at (x, y).
    pub fn put(&mut self, x: usize, y: usize, picture: &Self) {
        let area = rectangle(x, y, picture.width, picture.height);
        let Ok(()) = self.fill_contiguous(&area, picture.pixels.iter().map(|&colour| rgb(colour)));
    }

    /// The same picture, each pixel `times` as wide and high.
    #[must_use]
    pub fn enlarged(&self, times: usize) -> Self {
        self.resized(self.width * times, self.height * times)
    }

    /// The same picture with `width` x `height` pixels, each that which is nearest to its place.
    #[must_use]
    pub fn resized(&self, width: usize, height: usize) -> Self {
        let mut resized = Self::new(width, height);
        let (width, height) = (resized.width, resized.height);
        for (i, pixel) in resized.pixels.iter_mut().enumerate() {
            let (x, y) = (i % width, i / width);
            let (x, y) =
                ((2 * x + 1) * self.width / (2 * width), (2 * y + 1) * self.height / (2 * height));
            *pixel = self.at(x, y);
        }
        resized
    }

    /// The same picture turned by 90° against the clock: text reads upwards.
    #[must_use]
    pub fn turned(&self) -> Self {
        let mut turned = Self::new(self.height, self.width);
        for (i, pixel) in turned.pixels.iter_mut().enumerate() {
            let (x, y) = (i % self.height, i / self.height);
            *pixel = self.at(self.width - 1 - y, x);
        }
        turned
    }

    /// The pixels as bytes, (3, height, width).
    pub fn to_tensor(&self) -> Tensor {
        let (height, width) = (self.height as i64, self.width as i64);
        let bytes = Tensor::from_slice(self.pixels.as_flattened());
        bytes.to_kind(Kind::Uint8).view([height, width, 3]).permute([2, 0, 1])
    }
}

/// White with this `share` of `colour`, in [0, 1]; what is outside counts as the nearer of the two.
pub fn mixed(colour: Colour, share: f32) -> Colour {
    let share = if share > 0.0 { share.min(1.0) } else { 0.0 };
    colour.map(|level| (255.0 - share * (255.0 - f32::from(level))).round() as u8)
}

/// `text` in at most `letters` letters; where some are missing, it ends in a dot.
pub fn shortened(text: &str, letters: usize) -> String {
    if text.chars().count() <= letters {
        return text.to_owned();
    }
    text.chars().take(letters.saturating_sub(1)).chain(['.']).take(letters).collect()
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.width as u32, self.height as u32)
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(
        &mut self,
        pixels: I,
    ) -> Result<(), Infallible> {
        for Pixel(Point { x, y }, colour) in pixels {
            if let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y))
                && x < self.width
                && y < self.height
            {
                self.pixels[y * self.width + x] = [colour.r(), colour.g(), colour.b()];
            }
        }
        Ok(())
    }
}

fn rgb([r, g, b]: Colour) -> Rgb888 {
    Rgb888::new(r, g, b)
}

fn point(x: usize, y: usize) -> Point {
    Point::new(x as i32, y as i32)
}

fn rectangle(x: usize, y: usize, width: usize, height: usize) -> Rectangle {
    Rectangle::new(point(x, y), Size::new(width as u32, height as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_put_enlarged_and_turned() {
        let two = Canvas::grey(2, &[0.0, 1.0]);
        assert_eq!([two.at(0, 0), two.at(1, 0)], [BLACK, WHITE]);
        let turned = two.turned();
        assert_eq!((turned.width(), turned.height()), (1, 2));
        assert_eq!([turned.at(0, 0), turned.at(0, 1)], [WHITE, BLACK]);
        let mut canvas = Canvas::new(5, 3);
        canvas.fill(0, 0, 5, 3, GREY);
        canvas.put(4, 0, &two.enlarged(2)); // partly outside
        assert_eq!([canvas.at(3, 0), canvas.at(4, 0), canvas.at(4, 1)], [GREY, BLACK, BLACK]);
        assert_eq!(canvas.at(4, 2), GREY);
        assert_eq!(canvas.to_tensor().size(), [3, 3, 5]);
        canvas.frame(1, 0, 3, 3, RIGHT);
        assert_eq!([0, 1, 2, 3].map(|x| canvas.at(x, 1)), [GREY, RIGHT, GREY, RIGHT]);
    }

    #[test]
    fn what_is_no_number_is_seen() {
        let grey = Canvas::grey(3, &[f32::NAN, 2.0, 4.0, f32::INFINITY]);
        assert_eq!((grey.width(), grey.height()), (3, 2));
        let row = [grey.at(0, 0), grey.at(1, 0), grey.at(2, 0), grey.at(0, 1), grey.at(1, 1)];
        assert_eq!(row, [WRONG, BLACK, WHITE, WRONG, WHITE]);
        assert_eq!(Canvas::grey(1, &[]).height(), 1);
    }

    #[test]
    fn words_are_drawn_within_their_line() {
        let mut canvas = Canvas::new(40, 20);
        canvas.text(2, 4, "é\n一", WRONG);
        let coloured = |y| (0..40).any(|x| canvas.at(x, y) == WRONG);
        assert!((4..4 + LINE).any(coloured) && !(0..4).any(coloured) && !(16..20).any(coloured));
        assert_eq!(shortened("automobile", 5), "auto.");
        assert_eq!(shortened("cat", 3), "cat");
    }
}
