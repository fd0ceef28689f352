//! The next steps of a series in a file.

use std::path::Path;

use anyhow::{Context, Result};
use datasets::batch::{Batch, Example, Label};
use datasets::series::reader::{Ending, Reader};
use datasets::shape::{Quantity, Series, Target};
use program::exit::{Exit, usage};
use program::output::say_all;
use program::{files, panics};
use report::chart::{Chart, Series as Line};
use report::interval::Interval;
use serde_json::{Map, json};
use training::objective::{Objective, Phase};
use training::run::Run;

use super::Args;
use super::rows::Form;
use crate::csv_text::csv_text;
use crate::experiment::Experiment;
use crate::metrics::gather::host;
use crate::number::brief;
use crate::objective::Supervised;

/// Of the known steps, so many times those asked for are drawn.
const HISTORY: usize = 2;

/// What is said of the steps, and what came where that is known.
struct Forecast<'a> {
    series: &'a Series,
    ending: &'a Ending,
    /// Of each step and column the levels, in units of the column.
    said: Vec<f64>,
}

pub(super) fn run(args: &Args, run: &Run<Experiment>, reader: &Reader) -> Result<Exit> {
    let [path] = &args.inputs[..] else {
        return Err(usage("a forecast continues one series: name one CSV file"));
    };
    for path in args.out.iter().chain(&args.plot) {
        files::check_writable(path)?; // not only after the forecast
    }
    let shape = reader.shape();
    let Target::Series(series) = &shape.target else {
        unreachable!("a reader's target is a series")
    };
    let ending = reader.read(path, args.backtest)?;
    ending.findings.tell(false)?;
    let device = args.device.choose()?.announce();
    let model = Supervised::new(&run.experiment, &shape, device)?;
    run.load_weights(model.params())?;
    // Nobody knows what is to come, and nobody asks for it.
    let label = Label::Values(vec![0.0; series.steps * series.quantities.len()]);
    let batch = Batch::of(&[Example { sequences: vec![ending.sequence.clone()], label }], None)?;
    let _guard = tch::no_grad_guard();
    let outputs =
        panics::as_errors("the model", || model.outputs(&model.upload(&batch)?, Phase::Eval))?;
    let standardised = host(&outputs.reshape([1, -1]))?.concat();
    let levels = series.levels();
    let columns = series.quantities.iter().flat_map(|it| std::iter::repeat_n(it, levels)).cycle();
    let said = standardised.iter().zip(columns).map(|(&it, column)| column.undo(it)).collect();
    let forecast = Forecast { series, ending: &ending, said };
    let is_csv = |path: &Path| path.extension().is_some_and(|it| it.eq_ignore_ascii_case("csv"));
    let form = match (args.csv || args.out.as_deref().is_some_and(is_csv), args.json) {
        (_, true) => Form::Json,
        (true, _) => Form::Csv,
        _ => Form::Text,
    };
    let text = forecast.text(form)?;
    if let Some(path) = &args.plot {
        let column = match &args.column {
            None => series.quantities.len() - 1,
            Some(name) => {
                let column = series.quantities.iter().position(|it| it.name == *name);
                column.with_context(|| format!("the model tells nothing of a column `{name}`"))?
            }
        };
        files::write(path, forecast.chart(column).to_svg()?.as_bytes())?;
    }
    match &args.out {
        Some(path) => files::write(path, text.as_bytes())?,
        None => say_all(text)?,
    }
    Ok(Exit::Done)
}

impl Forecast<'_> {
    /// What is said of a column at a step, its quantiles.
    fn said(&self, step: usize, column: usize) -> &[f64] {
        let columns = self.series.quantities.len();
        &self.said[(step * columns + column) * self.series.levels()..][..self.series.levels()]
    }

    /// What is written of a step: names and numbers.
    fn cells(&self, step: usize) -> Vec<(String, f64)> {
        let mut cells = Vec::new();
        for (column, Quantity { name, .. }) in self.series.quantities.iter().enumerate() {
            let said = self.said(step, column);
            cells.push((name.clone(), said[self.series.point()]));
            for (level, quantile) in self.series.quantiles.iter().enumerate() {
                if level != self.series.point() {
                    cells.push((format!("{name} {quantile}"), said[level]));
                }
            }
            if let Some(came) = self.ending.came.get(column) {
                cells.push((format!("{name} came"), came[step]));
            }
        }
        cells
    }

    fn text(&self, form: Form) -> Result<String> {
        let context = self.ending.dates.len() - self.series.steps;
        let dates = &self.ending.dates[context..];
        let rows = dates.iter().enumerate().map(|(step, date)| (date, self.cells(step)));
        let names: Vec<String> = self.cells(0).into_iter().map(|(name, _)| name).collect();
        Ok(match form {
            Form::Csv => {
                let heading = std::iter::once("date".to_owned()).chain(names).collect();
                let record = |(date, cells): (&String, Vec<(String, f64)>)| -> Vec<String> {
                    let numbers = cells.iter().map(|(_, value)| value.to_string());
                    std::iter::once(date.clone()).chain(numbers).collect()
                };
                csv_text([heading].into_iter().chain(rows.map(record)))?
            }
            Form::Json => {
                let line = |(date, cells): (&String, Vec<(String, f64)>)| {
                    let values = cells.into_iter().map(|(name, value)| (name, json!(value)));
                    format!(
                        "{}\n",
                        json!({ "date": date, "values": values.collect::<Map<_, _>>() })
                    )
                };
                rows.map(line).collect()
            }
            Form::Text => {
                let width = |name: &str| name.chars().count().max(11);
                let dates = dates.iter().map(String::len).max().unwrap_or(0);
                let cell = |name: &str, cell: &str| format!("  {cell:>0$}", width(name));
                let heading: String = names.iter().map(|name| cell(name, name)).collect();
                let line = |(date, cells): (&String, Vec<(String, f64)>)| {
                    let cells = cells.iter().map(|(name, value)| cell(name, &brief(*value)));
                    format!("{date}{}\n", cells.collect::<String>())
                };
                format!("{:<dates$}{heading}\n", "date") + &rows.map(line).collect::<String>()
            }
        })
    }

    /// History, forecast and band of a column, and what came; steps are counted from the last known one.
    fn chart(&self, column: usize) -> Chart {
        let (series, known) = (self.series, &self.ending.known[column]);
        let shown = known.len().min(HISTORY * series.steps);
        let first = known.len() - shown;
        let place = |row: usize| row as f64 - (known.len() - 1) as f64;
        let known_points = (first..known.len()).map(|row| (place(row), known[row])).collect();
        let place = |step: usize| (step + 1) as f64;
        let said = |step: usize| self.said(step, column);
        let points = (0..series.steps).map(|step| (place(step), said(step)[self.series.point()]));
        let band = |step: usize| {
            let (low, high) = (said(step)[0], said(step)[self.series.levels() - 1]);
            Interval { low: low.min(high), high: high.max(low) }
        };
        let name = match (series.quantiles.first(), series.quantiles.last()) {
            (Some(low), Some(high)) if low < high => format!("forecast, {low} to {high}"),
            _ => "forecast".to_owned(),
        };
        let has_band = self.series.levels() > 1;
        let mut lines = vec![
            Line { name: "known".to_owned(), points: known_points, ..Line::default() },
            Line {
                name,
                points: points.collect(),
                intervals: (0..series.steps).filter(|_| has_band).map(band).collect(),
                band: has_band,
            },
        ];
        if let Some(came) = self.ending.came.get(column) {
            let points = came.iter().enumerate().map(|(step, &value)| (place(step), value));
            let name = "what came".to_owned();
            lines.push(Line { name, points: points.collect(), ..Line::default() });
        }
        let last = &self.ending.dates[known.len() - 1];
        Chart {
            title: series.quantities[column].name.clone(),
            x_label: format!("steps after {last}"),
            series: lines,
            ..Chart::default()
        }
    }
}
