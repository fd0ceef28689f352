//! What a model is told of dates.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::PrimitiveDateTime;

use super::time::Step;

/// How a date becomes features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Calendar {
    /// Not at all.
    None,
    /// Minute, hour, day of the week, of the month and of the year, each from -0.5 to 0.5; minute and
    /// hour where steps are shorter than they.
    #[default]
    Linear,
    /// A column for each month, day of the month, day of the week, hour and, where steps are shorter than
    /// an hour, quarter of it. The linear map of these is a sum of embeddings, as in the official code.
    OneHot,
}

/// Sizes of the official tables: months and days count from 1.
const TABLES: [usize; 5] = [13, 32, 7, 24, 4];

impl Calendar {
    /// Features of dates that are `step` apart.
    pub fn features(self, step: Step) -> usize {
        let (below_hour, below_day) = step.is_below();
        match self {
            Self::None => 0,
            Self::Linear => 3 + usize::from(below_hour) + usize::from(below_day),
            Self::OneHot => tables(step).iter().sum(),
        }
    }

    /// Adds the features of a date to `row`.
    pub fn push(self, row: &mut Vec<f32>, date: PrimitiveDateTime, step: Step) {
        let weekday = f32::from(date.weekday().number_days_from_monday());
        let (minute, hour) = (f32::from(date.minute()), f32::from(date.hour()));
        match self {
            Self::None => {}
            Self::Linear => {
                let (below_hour, below_day) = step.is_below();
                row.extend(below_hour.then_some(minute / 59.0 - 0.5));
                row.extend(below_day.then_some(hour / 23.0 - 0.5));
                row.push(weekday / 6.0 - 0.5);
                row.push((f32::from(date.day()) - 1.0) / 30.0 - 0.5);
                row.push((f32::from(date.ordinal()) - 1.0) / 365.0 - 0.5);
            }
            Self::OneHot => {
                let codes = [
                    usize::from(u8::from(date.month())),
                    usize::from(date.day()),
                    weekday as usize,
                    usize::from(date.hour()),
                    usize::from(date.minute() / 15),
                ];
                for (&size, code) in tables(step).iter().zip(codes) {
                    row.extend((0..size).map(|place| f32::from(u8::from(place == code))));
                }
            }
        }
    }

    /// Adds what the official code tells of a date that it hides: zeros, which in its tables are a Monday
    /// at midnight.
    pub fn push_hidden(self, row: &mut Vec<f32>, step: Step) {
        match self {
            Self::None | Self::Linear => row.extend(std::iter::repeat_n(0.0, self.features(step))),
            Self::OneHot => {
                for &size in tables(step) {
                    row.extend((0..size).map(|place| f32::from(u8::from(place == 0))));
                }
            }
        }
    }
}

fn tables(step: Step) -> &'static [usize] {
    if step.is_below().0 { &TABLES } else { &TABLES[..4] }
}

#[cfg(test)]
mod tests {
    use super::super::time::parse;
    use super::*;

    #[test]
    fn dates_are_told_as_officially() {
        // A Friday.
        let date = parse("2016-12-30 23:45").unwrap();
        let (quarter, hour, day) = (Step::Seconds(900), Step::Seconds(3600), Step::Seconds(86_400));
        let row = |calendar: Calendar, step| {
            let mut row = Vec::new();
            calendar.push(&mut row, date, step);
            assert_eq!(row.len(), calendar.features(step));
            let mut hidden = Vec::new();
            calendar.push_hidden(&mut hidden, step);
            assert_eq!(hidden.len(), row.len());
            row
        };
        let expected = [0.5, 4.0 / 6.0 - 0.5, 29.0 / 30.0 - 0.5, 364.0 / 365.0 - 0.5];
        assert_eq!(row(Calendar::Linear, hour), expected);
        assert_eq!(row(Calendar::Linear, day), expected[1..]);
        assert_eq!(row(Calendar::Linear, quarter)[0], 45.0 / 59.0 - 0.5);
        let ones: Vec<usize> = row(Calendar::OneHot, quarter)
            .iter()
            .enumerate()
            .filter_map(|(place, &value)| (value == 1.0).then_some(place))
            .collect();
        assert_eq!(ones, [12, 13 + 30, 13 + 32 + 4, 13 + 32 + 7 + 23, 13 + 32 + 7 + 24 + 3]);
        assert_eq!(row(Calendar::OneHot, hour).len(), 76);
        assert_eq!(row(Calendar::None, hour), [0f32; 0]);
    }
}
