//! A series as curves: what is known, what came, what is said.

use datasets::batch::{Example, Label, Sequences};
use datasets::shape::Series;
use training::canvas::{BLACK, Canvas, Colour, GREY, RIGHT, mixed};

use super::tile::WIDTH;

const HEIGHT: usize = 72;

/// The last quantity of an example, standardised, with what is said of it: (S, T, Q) in that order.
pub(super) fn of(series: &Series, example: &Example, said: &[f64]) -> Canvas {
    let (targets, levels) = (series.quantities.len(), series.levels());
    let last = targets - 1;
    let known: Vec<f64> = match (&series.past, example.sequences.first()) {
        (Some(past), Some(Sequences::Values { values, features })) => {
            let from = past.context.saturating_sub(2 * series.steps);
            let column = values.iter().skip(past.channels - 1).step_by(*features);
            column.take(past.context).skip(from).map(|&value| f64::from(value)).collect()
        }
        _ => Vec::new(),
    };
    let came: Vec<f64> = match &example.label {
        Label::Values(values) => {
            let column = values.iter().skip(last).step_by(targets);
            column.map(|&value| series.quantities[last].standardise(value)).collect()
        }
        _ => Vec::new(),
    };
    let level = |level: usize| -> Vec<f64> {
        said.iter().skip(last * levels + level).step_by(targets * levels).copied().collect()
    };
    let mut curves: Vec<(usize, Vec<f64>, Colour)> =
        vec![(0, known.clone(), GREY), (known.len(), came, BLACK)];
    if levels > 1 {
        let pale = mixed(RIGHT, 0.4);
        curves.extend([0, levels - 1].map(|side| (known.len(), level(side), pale)));
    }
    curves.push((known.len(), level(series.point()), RIGHT));
    draw(&curves)
}

/// Curves from a first place on, on common axes.
fn draw(curves: &[(usize, Vec<f64>, Colour)]) -> Canvas {
    let values = || curves.iter().flat_map(|(_, values, _)| values).filter(|it| it.is_finite());
    let low = values().copied().fold(f64::INFINITY, f64::min);
    let span = (values().copied().fold(f64::NEG_INFINITY, f64::max) - low).max(f64::MIN_POSITIVE);
    let places = curves.iter().map(|(first, values, _)| first + values.len()).max().unwrap_or(0);
    let mut canvas = Canvas::new(WIDTH, HEIGHT);
    let x = |place: usize| place * (WIDTH - 1) / places.saturating_sub(1).max(1);
    let y = |value: f64| ((1.0 - (value - low) / span) * (HEIGHT - 1) as f64).round() as usize;
    for (first, values, colour) in curves {
        let mut before: Option<(usize, usize)> = None;
        for (place, value) in (*first..).zip(values) {
            if !value.is_finite() {
                before = None;
                continue;
            }
            let here = (x(place), y(*value));
            let (from_x, from_y) = before.unwrap_or(here);
            // Upwards or downwards first, then on: neighbours are a pixel or less apart, mostly.
            let (top, bottom) = (from_y.min(here.1), from_y.max(here.1));
            canvas.fill(from_x, top, 1, bottom - top + 1, *colour);
            canvas.fill(from_x, here.1, here.0 - from_x + 1, 1, *colour);
            before = Some(here);
        }
    }
    canvas
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_go_from_the_lowest_to_the_highest_and_leave_gaps() {
        let curve = |first, values: &[f64]| (first, values.to_vec(), BLACK);
        let canvas = draw(&[curve(0, &[0.0, 1.0]), curve(2, &[f64::NAN, 1.0])]);
        assert_eq!([canvas.at(0, HEIGHT - 1), canvas.at(WIDTH - 1, 0)], [BLACK; 2]);
        let is_drawn = |x: usize| (0..HEIGHT).any(|y| canvas.at(x, y) == BLACK);
        assert!(is_drawn(WIDTH / 4) && !is_drawn(WIDTH * 5 / 6));
        draw(&[]);
    }
}
