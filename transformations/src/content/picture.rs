//! Pictures.

/// A picture, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// Pixels a row.
    pub width: usize,
    /// 1, grey, or 3, red, green and blue.
    pub colours: usize,
    /// Values in [0, 1], (height, width, colours).
    pub values: Vec<f32>,
}

impl Picture {
    /// Rows.
    pub fn height(&self) -> usize {
        self.values.len() / (self.width * self.colours)
    }

    /// The value of a colour of the pixel in `column` and `row`.
    pub fn at(&self, row: usize, column: usize, colour: usize) -> f32 {
        self.values[(row * self.width + column) * self.colours + colour]
    }

    /// The same of any place: what is outside has the value of the nearest pixel.
    pub(crate) fn nearest(&self, row: i64, column: i64, colour: usize) -> f32 {
        let inside = |at: i64, size: usize| at.clamp(0, size as i64 - 1) as usize;
        self.at(inside(row, self.height()), inside(column, self.width), colour)
    }

    /// The same of any place: what is outside is black.
    pub(crate) fn or_black(&self, row: i64, column: i64, colour: usize) -> f32 {
        let inside =
            (0..self.height() as i64).contains(&row) && (0..self.width as i64).contains(&column);
        if inside { self.at(row as usize, column as usize, colour) } else { 0.0 }
    }

    /// A picture of the same size, of which `value(row, column, colour)` makes the values, which are then
    /// kept within [0, 1].
    pub fn made_of(&self, mut value: impl FnMut(usize, usize, usize) -> f32) -> Self {
        let (width, colours) = (self.width, self.colours);
        let values = (0..self.values.len()).map(|index| {
            let pixel = index / colours;
            value(pixel / width, pixel % width, index % colours).clamp(0.0, 1.0)
        });
        Self { width, colours, values: values.collect() }
    }

    /// Its bytes: values times 255, truncated, as CIFAR-10-C was made.
    pub fn bytes(&self) -> Vec<u8> {
        // A byte that became a value in float32 must stay what it was.
        self.values.iter().map(|value| (value * 255.0 + 1e-3).clamp(0.0, 255.0) as u8).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stay_what_they_were() {
        let bytes: Vec<u8> = (0..=255).collect();
        let values = bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect();
        assert_eq!(Picture { width: 16, colours: 1, values }.bytes(), bytes);
    }
}
