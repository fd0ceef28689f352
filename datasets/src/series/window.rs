//! Windows of a series: what is known, and the steps that follow.

use std::ops::Range;
use std::sync::Arc;

use anyhow::{Result, ensure};
use time::PrimitiveDateTime;

use super::calendar::Calendar;
use super::table::Table;
use super::time::Step;
use crate::batch::{Example, Label, Sequences};
use crate::shape::Quantity;
use crate::split::Examples;

/// How a model gets a window: at each of the positions of context and horizon the standardised channels
/// (0 in the horizon), the date, and whether it is to be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Form {
    /// What the channels are, and what each is standardised by; the last are those asked for.
    pub channels: Vec<Quantity>,
    /// How many are asked for.
    pub targets: usize,
    /// Known steps.
    pub context: usize,
    /// Steps asked for.
    pub horizon: usize,
    /// From step to step.
    pub step: Step,
    /// What is told of dates.
    pub calendar: Calendar,
    /// Whether that is told of the horizon, too.
    pub horizon_calendar: bool,
    /// Whether a feature tells context (0) and horizon (1) apart; else it is 0 in both.
    pub horizon_mask: bool,
}

impl Form {
    /// Features of a position.
    pub fn features(&self) -> usize {
        self.channels.len() + self.calendar.features(self.step) + 1
    }

    /// The input whose known values are `known`, (context, channels), the first at `first`.
    ///
    /// # Errors
    /// If there are fewer values, or the calendar ends.
    pub fn sequence(&self, known: &[f64], first: PrimitiveDateTime) -> Result<Sequences> {
        let channels = self.channels.len();
        ensure!(
            known.len() == self.context * channels,
            "a window has {} known steps of {channels} channels, got {} values",
            self.context,
            known.len()
        );
        let features = self.features();
        let positions = self.context + self.horizon;
        let mut values = Vec::with_capacity(positions * features);
        for position in 0..positions {
            let is_known = position < self.context;
            for (channel, quantity) in self.channels.iter().enumerate() {
                let value = || quantity.standardise(known[position * channels + channel]) as f32;
                values.push(if is_known { value() } else { 0.0 });
            }
            if is_known || self.horizon_calendar {
                let date = self.step.after(first, position as i64)?;
                self.calendar.push(&mut values, date, self.step);
            } else {
                self.calendar.push_hidden(&mut values, self.step);
            }
            values.push(f32::from(u8::from(!is_known && self.horizon_mask)));
        }
        Ok(Sequences::Values { values, features })
    }
}

/// All windows whose steps asked for are in a part of a table.
#[derive(Debug, Clone)]
pub struct Windows {
    table: Arc<Table>,
    form: Arc<Form>,
    /// Row at which the first window begins.
    first: usize,
    /// Rows from a window to the next.
    stride: usize,
    count: usize,
}

impl Windows {
    /// Every `stride`-th window whose horizon is in the rows `part`; its context may begin before them.
    ///
    /// # Errors
    /// If there is none.
    pub fn new(
        table: Arc<Table>,
        form: Arc<Form>,
        part: Range<usize>,
        stride: usize,
    ) -> Result<Self> {
        let Form { context, horizon, .. } = *form;
        let first = part.start.saturating_sub(context);
        let end = (part.end + 1).saturating_sub(context + horizon);
        ensure!(
            end > first,
            "rows {} to {} have no window of {context} known steps and {horizon} asked for: the series is \
             too short for them; lower data.context or data.horizon",
            part.start,
            part.end
        );
        let count = (end - first).div_ceil(stride);
        Ok(Self { table, form, first, stride, count })
    }

    fn row(&self, index: usize) -> usize {
        self.first + index * self.stride
    }
}

impl Examples for Windows {
    fn len(&self) -> usize {
        self.count
    }

    fn example(&self, index: usize) -> Result<Example> {
        let (row, channels) = (self.row(index), self.table.columns.len());
        let known = &self.table.values[row * channels..][..self.form.context * channels];
        let sequences = vec![self.form.sequence(known, self.table.date(row)?)?];
        Ok(Example { sequences, label: self.label(index)? })
    }

    fn label(&self, index: usize) -> Result<Label> {
        let Form { context, horizon, targets, .. } = *self.form;
        let channels = self.table.columns.len();
        let rows = self.row(index) + context..self.row(index) + context + horizon;
        let of = |row: usize| self.table.row(row)[channels - targets..].iter().copied();
        Ok(Label::Values(rows.flat_map(of).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::time::parse;
    use super::*;

    /// Two hourly columns, t and 100 + t.
    fn table(rows: usize) -> Arc<Table> {
        let values = (0..rows).flat_map(|row| [row as f64, 100.0 + row as f64]).collect();
        let columns = ["a", "b"].map(str::to_owned).to_vec();
        let first = parse("2020-01-01").unwrap();
        Arc::new(Table { first, step: Step::Seconds(3600), columns, values })
    }

    fn form(horizon_told: bool) -> Arc<Form> {
        let channel = |name: &str, mean| Quantity { name: name.to_owned(), mean, std: 2.0 };
        Arc::new(Form {
            channels: vec![channel("a", 0.0), channel("b", 100.0)],
            targets: 1,
            context: 3,
            horizon: 2,
            step: Step::Seconds(3600),
            calendar: Calendar::Linear,
            horizon_calendar: horizon_told,
            horizon_mask: horizon_told,
        })
    }

    #[test]
    fn every_step_of_a_part_is_asked_for_and_contexts_reach_back() {
        let windows = |part, stride| Windows::new(table(20), form(true), part, stride);
        let labels = |windows: &Windows| -> Vec<Label> {
            (0..windows.len()).map(|index| windows.label(index).unwrap()).collect()
        };
        let part = windows(10..14, 1).unwrap();
        let of = |first: f64| Label::Values(vec![first, first + 1.0]);
        assert_eq!(labels(&part), [of(110.0), of(111.0), of(112.0)]);
        // The first part has nothing to reach back to.
        assert_eq!(labels(&windows(0..7, 1).unwrap()), [of(103.0), of(104.0), of(105.0)]);
        assert_eq!(labels(&windows(10..14, 2).unwrap()), [of(110.0), of(112.0)]);
        for part in [0..4, 10..11, 5..5] {
            assert!(windows(part, 1).unwrap_err().to_string().contains("too short"));
        }
    }

    #[test]
    fn a_horizon_is_told_or_hidden() {
        for told in [true, false] {
            let windows = Windows::new(table(20), form(told), 10..14, 1).unwrap();
            let Sequences::Values { values, features: 7 } =
                &windows.example(0).unwrap().sequences[0]
            else {
                panic!()
            };
            let row = |position: usize| &values[7 * position..][..7];
            assert_eq!(row(0)[..3], [3.5, 3.5, 7.0 / 23.0 - 0.5]);
            assert_eq!((row(2)[1], row(2)[6]), (4.5, 0.0));
            assert_eq!(row(3)[..2], [0.0, 0.0]);
            let hour = if told { 10.0 / 23.0 - 0.5 } else { 0.0 };
            assert_eq!((row(3)[2], row(3)[6]), (hour, f32::from(u8::from(told))));
        }
    }
}
