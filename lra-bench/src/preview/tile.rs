//! An example as a picture.

use datasets::batch::{Example, Sequences};
use datasets::examples::recordings::Standardisation;
use datasets::examples::view::View;
use datasets::medium::{Medium, Pictures};
use dsp::spectrum::spectrogram;
use training::canvas::{CARD, Canvas, Colour};

/// Between the examples of a sheet.
pub(super) const GAP: usize = 8;
/// Width of a sequence, which has a row of its own.
pub(super) const WIDTH: usize = CARD - 2 * GAP;
/// Largest side of a picture, and width of a spectrogram: two are side by side.
const HALF: usize = (WIDTH - GAP) / 2;
/// Side up to which a picture is enlarged: three are side by side.
const THIRD: usize = (WIDTH - 2 * GAP) / 3;
/// Height of a spectrogram.
const SPECTRUM: usize = 64;
/// The most rows that a sequence is wrapped to: of longer ones, neighbours are averaged.
const ROWS: usize = 64;
/// Height of a sequence, about.
const STRIP: usize = 96;
/// The most features that are shown of a sequence.
const FEATURES: usize = 16;

/// The example as a picture; none of texts.
pub(super) fn of(medium: &Medium, example: &Example) -> Option<Canvas> {
    match medium {
        Medium::Text(_) | Medium::Expressions => None,
        Medium::Pictures(Pictures { width, colours, order, .. }) => {
            let (values, _) = values(example)?;
            let order = order.as_deref().map(Vec::as_slice);
            Some(picture(&values, *colours, *width, order))
        }
        Medium::Sound { rate, scale, view: View::Samples } => {
            let image = spectrogram(&samples(example, *scale), *rate, SPECTRUM);
            let colour = |rgb: &[u8]| -> Colour { [rgb[0], rgb[1], rgb[2]] };
            let pixels = image.pixels.chunks_exact(3).map(colour).collect();
            Some(Canvas::of(image.width, pixels).resized(HALF, SPECTRUM))
        }
        Medium::Sound { .. } | Medium::Series => {
            let (values, features) = values(example)?;
            Some(strips(&values, features))
        }
    }
}

/// The samples of a recording, in [-1, 1].
pub(super) fn samples(example: &Example, scale: Standardisation) -> Vec<f32> {
    let (values, _) = values(example).unwrap_or_default();
    values.into_iter().map(|value| scale.undo(value).clamp(-1.0, 1.0)).collect()
}

/// The numbers of an example, features fastest, and how many of these there are.
fn values(example: &Example) -> Option<(Vec<f32>, usize)> {
    Some(match example.sequences.first()? {
        Sequences::Bytes(bytes) => (bytes.iter().copied().map(f32::from).collect(), 1),
        Sequences::Values { values, features } => (values.clone(), (*features).max(1)),
        Sequences::Tokens(tokens) => {
            // Before those that are asked for stands one that is none of a picture.
            let asked = &tokens[example.given()..];
            (asked.iter().map(|&token| token as f32).collect(), 1)
        }
    })
}

/// Pixels, `width` a row, as large as there is room; position i is pixel `order[i]`.
fn picture(values: &[f32], features: usize, width: usize, order: Option<&[usize]>) -> Canvas {
    // Grey levels of all values together: colours keep their proportions.
    let levels = Canvas::grey(values.len(), values);
    let colour = |position: usize| -> Colour {
        let level = |feature: usize| levels.at(features * position + feature, 0)[0];
        if features == 3 { [level(0), level(1), level(2)] } else { [level(0); 3] }
    };
    let positions = values.len() / features;
    let mut pixels = vec![[255; 3]; positions];
    for position in 0..positions {
        let place = order.and_then(|order| order.get(position).copied()).unwrap_or(position);
        if let Some(pixel) = pixels.get_mut(place) {
            *pixel = colour(position);
        }
    }
    let picture = Canvas::of(width, pixels);
    let longer = picture.width().max(picture.height());
    if longer > HALF {
        return picture.resized(picture.width() * HALF / longer, picture.height() * HALF / longer);
    }
    picture.enlarged((THIRD / longer).max(1))
}

/// Sequences of numbers as grey levels, of each feature from its least (black) to its greatest
/// (white), wrapped to rows.
fn strips(values: &[f32], features: usize) -> Canvas {
    let positions = (values.len() / features).max(1);
    let each = positions.div_ceil(WIDTH * ROWS);
    let columns = positions.div_ceil(each);
    let (times, rows) = ((WIDTH / columns).max(1), columns.div_ceil(WIDTH));
    let shown = features.min(FEATURES);
    let height = (STRIP / (rows * shown)).clamp(2, 16);
    let gap = (height / 2).min(4);
    let mut canvas = Canvas::new(WIDTH, rows * (shown * height + gap));
    for feature in 0..shown {
        let mean = |part: &[f32]| {
            let own = part.iter().skip(feature).step_by(features);
            own.clone().sum::<f32>() / own.count().max(1) as f32
        };
        let means: Vec<f32> = values.chunks(each * features).map(mean).collect();
        let levels = Canvas::grey(columns, &means);
        for column in 0..columns {
            let (x, row) = (column % WIDTH * times, column / WIDTH);
            let y = row * (shown * height + gap) + feature * height;
            canvas.fill(x, y, times, height, levels.at(column, 0));
        }
    }
    canvas
}

#[cfg(test)]
mod tests {
    use training::canvas::{BLACK, WHITE};

    use super::*;

    #[test]
    fn permuted_pixels_are_put_back() {
        let tile = picture(&[3.0, 0.0, 0.0, 0.0], 1, 2, Some(&[2, 1, 0, 3]));
        let side = THIRD / 2 * 2;
        assert_eq!((tile.width(), tile.height()), (side, side));
        assert_eq!([tile.at(0, 0), tile.at(0, side - 1)], [BLACK, WHITE]);
        assert_eq!(picture(&[0.0; 1000 * 1000], 1, 1000, None).width(), HALF);
        let red = picture(&[1.0, 0.0, 0.0], 3, 1, None);
        assert_eq!(red.at(5, 5), [255, 0, 0]);
    }

    #[test]
    fn long_sequences_are_wrapped_and_longer_ones_averaged() {
        let ramp = |count: usize| (0..count).map(|i| i as f32).collect::<Vec<_>>();
        for (positions, features) in
            [(1, 1), (10, 2), (784, 1), (16_384, 1), (16_384, 40), (1_000_000, 1)]
        {
            let strips = strips(&ramp(positions * features), features);
            assert_eq!(strips.width(), WIDTH);
            assert!(strips.height() <= ROWS * (2 * FEATURES + 1), "{}", strips.height());
            assert_eq!(strips.at(0, 0), BLACK, "{positions}");
        }
        let long = strips(&ramp(16_384), 1);
        assert_eq!(long.height(), 16_384usize.div_ceil(WIDTH) * 3);
    }
}
