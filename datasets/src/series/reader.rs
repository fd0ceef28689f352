//! Files from outside a run's data, whose next steps are told.

use std::path::Path;

use anyhow::{Context, Result};
use program::findings::Findings;
use s4_config::Input;

use super::table::Table;
use super::time::written;
use super::window::Form;
use crate::batch::Sequences;
use crate::shape::{Past, Series, Shape, Target};

/// Reads series as a run's data was read.
#[derive(Debug, Clone)]
pub struct Reader {
    /// How windows are made.
    pub form: Form,
    /// Quantiles that are asked for.
    pub quantiles: Vec<f64>,
}

/// The end of a series, and the dates of the steps that follow.
#[derive(Debug, Clone)]
pub struct Ending {
    /// What a model gets.
    pub sequence: Sequences,
    /// What is known of each channel asked for.
    pub known: Vec<Vec<f64>>,
    /// What came of each, where the steps asked for are in the file; else empty.
    pub came: Vec<Vec<f64>>,
    /// The dates of the known steps and of those asked for, as they are written.
    pub dates: Vec<String>,
    /// What was filled in or left out of the file.
    pub findings: Findings,
}

impl Reader {
    /// What goes into a model and what is asked of it.
    pub fn shape(&self) -> Shape {
        let Form { channels, targets, context, horizon, step, .. } = &self.form;
        let past = Past { context: *context, channels: channels.len(), season: step.season() };
        Shape {
            input: Input::Values { features: self.form.features() as i64 },
            target: Target::Series(Series {
                quantities: channels[channels.len() - targets..].to_vec(),
                steps: *horizon,
                past: Some(past),
                quantiles: self.quantiles.clone(),
            }),
        }
    }

    /// The last rows of a CSV file, with the columns that the run's data had. With `backtest` its last steps
    /// are those asked for.
    ///
    /// # Errors
    /// If it cannot be read as the run's data, or has fewer rows than are to be known.
    pub fn read(&self, path: &Path, backtest: bool) -> Result<Ending> {
        let Form { channels, targets, context, horizon, step, .. } = &self.form;
        let mut findings = Findings::default();
        let names: Vec<String> = channels.iter().map(|channel| channel.name.clone()).collect();
        let table = Table::read(path, Some(&names), Some(*step), &mut findings)?;
        let after = if backtest { *horizon } else { 0 };
        let first = table.len().checked_sub(context + after).with_context(|| {
            format!(
                "{} has {} rows, {step} apart; the model is to know {}",
                path.display(),
                table.len(),
                context + after
            )
        })?;
        let end = table.values.len() - after * channels.len();
        let (known, rest) = (&table.values[first * channels.len()..end], &table.values[end..]);
        let sequence = self.form.sequence(known, table.date(first)?)?;
        let columns = |values: &[f64]| -> Vec<Vec<f64>> {
            let column =
                |at: usize| values.iter().skip(at).step_by(channels.len()).copied().collect();
            (channels.len() - targets..channels.len()).map(column).collect()
        };
        let dates = (first..first + context + horizon)
            .map(|row| Ok(written(table.date(row)?, *step)))
            .collect::<Result<_>>()?;
        let came = if backtest { columns(rest) } else { Vec::new() };
        Ok(Ending { sequence, known: columns(known), came, dates, findings })
    }
}
