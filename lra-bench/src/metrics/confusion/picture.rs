//! The matrix as a picture.

use training::canvas::{
    BLACK, CARD, Canvas, Colour, GREY, LETTER, LINE, RIGHT, WHITE, WRONG, mixed, shortened,
};

use super::Confusion;

/// Side of a cell at most.
const LARGEST_CELL: usize = 48;
/// The most classes whose counts are written.
const WRITTEN: usize = 16;
/// Letters of a class's name at most.
const LETTERS: usize = 12;
/// Between words and lines.
const GAP: usize = 4;
/// The share of a colour from which words on it are white.
const DARK: f32 = 0.55;

impl Confusion {
    /// The matrix with the names of the classes and, where these are few, counts. A cell is as deep in
    /// colour as its share of the label's examples is: blue what is right, orange what is wrong.
    pub fn picture(&self, names: &[String]) -> Canvas {
        let classes = self.counts.len().max(1);
        let has_counts = classes <= WRITTEN;
        let digits = self.counts.iter().flatten().max().map_or(1, |most| most.to_string().len());
        let room = if has_counts { digits * LETTER + GAP } else { 1 };
        let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let letters = longest.min(LETTERS);
        let left = LINE + letters * LETTER + 2 * GAP;
        let cell = ((CARD - left - GAP) / classes).clamp(1, LARGEST_CELL).max(room);
        let side = cell * classes;
        // Names above the columns are turned where they are wider than these.
        let turned = letters * LETTER + GAP > cell;
        let above = if turned { letters * LETTER } else { LINE };
        let top = LINE + above + 2 * GAP;
        let mut canvas = Canvas::new(left + side + GAP, top + side + GAP);

        canvas.text(left + (side / 2).saturating_sub(5 * LETTER / 2), 0, "guess", BLACK);
        canvas.put(0, top + (side / 2).saturating_sub(5 * LETTER / 2), &word("label").turned());
        // Of names that are closer than a line of text, every n-th.
        for class in (0..names.len().min(classes)).step_by(LINE.div_ceil(cell)) {
            let name = shortened(&names[class], letters);
            let width = name.chars().count() * LETTER;
            let at = class * cell;
            let middle = at + (cell / 2).saturating_sub(LINE / 2);
            canvas.text(left - GAP - width, top + middle, &name, BLACK);
            if turned {
                canvas.put(left + middle, top - GAP - width, &word(&name).turned());
            } else {
                canvas.text(left + at + (cell - width) / 2, top - GAP - LINE, &name, BLACK);
            }
        }
        for (label, row) in self.counts.iter().enumerate() {
            let of = row.iter().sum::<u64>().max(1) as f32;
            for (guess, &count) in row.iter().enumerate() {
                let share = count as f32 / of;
                let (x, y) = (left + guess * cell, top + label * cell);
                canvas.fill(x, y, cell, cell, mixed(hue(label, guess), share));
                if has_counts && count > 0 {
                    let text = count.to_string();
                    let colour = if share > DARK { WHITE } else { BLACK };
                    let x = x + (cell - text.len() * LETTER) / 2;
                    canvas.text(x, y + (cell / 2).saturating_sub(LINE / 2), &text, colour);
                }
            }
        }
        canvas.frame(left - 1, top - 1, side + 2, side + 2, GREY);
        canvas
    }
}

fn hue(label: usize, guess: usize) -> Colour {
    if label == guess { RIGHT } else { WRONG }
}

fn word(text: &str) -> Canvas {
    let mut canvas = Canvas::new(text.chars().count() * LETTER, LINE);
    canvas.text(0, 0, text, BLACK);
    canvas
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|class| format!("class {class}")).collect()
    }

    fn diagonal(classes: usize, count: u64) -> Confusion {
        let row = |label| (0..classes).map(|guess| count * u64::from(label == guess)).collect();
        Confusion { counts: (0..classes).map(row).collect() }
    }

    /// Pixels of this colour.
    fn count(canvas: &Canvas, colour: Colour) -> usize {
        let rows = (0..canvas.height()).flat_map(|y| (0..canvas.width()).map(move |x| (x, y)));
        rows.filter(|&(x, y)| canvas.at(x, y) == colour).count()
    }

    #[test]
    fn right_and_wrong_cells_have_their_colours() {
        let confusion = Confusion { counts: vec![vec![0, 7], vec![0, 9]] };
        let picture = confusion.picture(&names(2));
        let cell = LARGEST_CELL * LARGEST_CELL;
        for colour in [RIGHT, WRONG] {
            let found = count(&picture, colour);
            assert!((cell - LETTER * LINE..cell).contains(&found), "{found} of {cell}");
        }
        assert!(count(&picture, BLACK) > 50, "there are names and axes");
    }

    #[test]
    fn any_number_of_classes_has_a_picture_of_about_one_size() {
        for classes in [0, 1, 2, 10, 16, 17, 35, 100, 1000] {
            let picture = diagonal(classes, 123_456_789).picture(&names(classes));
            assert!(picture.width() <= 1200 && picture.height() <= 1200, "{classes}");
            let cell = picture.width() / classes.max(1);
            let is_right = count(&picture, RIGHT);
            assert!(classes == 0 || is_right > classes * cell / 2, "{classes}: {is_right}");
        }
    }
}
