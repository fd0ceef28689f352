//! Forecasts: the next steps of a series from its last ones. `series` is about any CSV file with dates;
//! the others are the benchmarks of Informer (Zhou et al. 2021), with its splits.

mod ett;
mod informer;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail, ensure};
use program::config::to_table;
use program::exit::usage;
use program::files::cannot;
use program::findings::Findings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use smart_default::SmartDefault;
use toml::Table as Toml;

use super::{Splits, Task};
use crate::inputs::decided;
use crate::locate::{listed, locate};
use crate::medium::{Kind, Medium};
use crate::metric::Metric;
use crate::provenance::Provenance;
use crate::series::calendar::Calendar;
use crate::series::reader::Reader;
use crate::series::table::Table;
use crate::series::time::Step;
use crate::series::window::{Form, Windows};
use crate::shape::Quantity;
use crate::split::Split;

pub(super) use ett::{ETTH1, ETTH2, ETTM1};
pub(super) use informer::{ECL, WEATHER};

pub(super) const SERIES: Task = Task {
    name: "series",
    about: "the next steps of a series of your own",
    paper: include_str!("../../../../configs/lra/series.toml"),
    small: include_str!("../../../../configs/lra/series-small.toml"),
    source: "a CSV file with a column of dates in --data FILE",
    ..of(|task, data, _| open(task, data, None))
};

/// What the rows of forecasts begin with.
const fn of(load: super::Load) -> Task {
    Task {
        kind: Some(Kind::Series),
        metric: |_| Some(Metric::MSE),
        provenance,
        series: Some(reader),
        ..Task::of::<Data>(load)
    }
}

/// A benchmark's file.
struct Set {
    file: &'static str,
    /// Folders that it may be in.
    folders: &'static [&'static str],
    /// The column of `S` and `MS`.
    target: &'static str,
    /// Rows at which training, validation and test end; by shares where there are none.
    ends: Option<[usize; 3]>,
    /// Where it comes from, for whoever lacks it.
    from: &'static str,
}

impl Set {
    fn is_there(&self, dir: &Path) -> bool {
        self.locate(Some(dir), "").is_ok()
    }

    fn locate(&self, dir: Option<&Path>, task: &str) -> Result<PathBuf, Vec<PathBuf>> {
        let folder = locate(dir, task, self.folders, |dir| dir.join(self.file).is_file())?;
        Ok(folder.join(self.file))
    }
}

/// Which columns are known, and which are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
enum Features {
    /// One column, from itself.
    #[default]
    S,
    /// One column, from all.
    #[serde(rename = "MS")]
    Ms,
    /// All columns, from all.
    M,
}

/// Shares of the rows that are trained on and validated with; the rest is to test.
type Shares = [f64; 2];

/// Which windows of which file.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Data {
    /// The CSV file, or the folder that it is in.
    dir: Option<PathBuf>,
    /// `S` (one column is told from its own past), `MS` (one from the past of all) or `M` (all from that of
    /// all).
    features: Features,
    /// The column that `S` and `MS` are about; that of the papers, or the last, where it is missing.
    target: Option<String>,
    /// The columns that are read; all but the dates where it is missing.
    columns: Option<Vec<String>>,
    /// Steps that are known.
    #[default(336)]
    context: usize,
    /// Steps that are asked for.
    #[default(96)]
    horizon: usize,
    /// What is told of dates: `none`, `linear` (five numbers) or `one-hot` (a column for each month, day,
    /// hour, ..., officially embeddings).
    calendar: Calendar,
    /// Whether the dates of the steps asked for are told. Officially they are not: they are zeros, which
    /// in its tables are Mondays at midnight.
    #[default(true)]
    horizon_calendar: bool,
    /// Whether a feature tells the known steps and those asked for apart. Officially it does not.
    #[default(true)]
    horizon_mask: bool,
    /// Shares of the rows to train on and to validate, from the first on; as in the papers, or
    /// [0.7, 0.1], where it is missing.
    shares: Option<Shares>,
    /// Rows from one window that is scored to the next.
    #[default(1)]
    stride: usize,
    /// Quantiles that are asked for in place of the mean, such as [0.1, 0.5, 0.9]: the median is the
    /// forecast, the outermost are its band.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    quantiles: Vec<f64>,
    /// From row to row, such as `15min`, `1h`, `1d`, `1mo`; the commonest where it is missing. Kept with a
    /// run.
    #[schemars(with = "Option<String>")]
    step: Option<Step>,
    /// The columns that go in, those asked for last, and what each is standardised by; measured on the
    /// training rows where it is missing. Kept with a run.
    channels: Option<Vec<Quantity>>,
}

impl Data {
    fn validate(&self) -> Result<()> {
        for (name, value) in
            [("context", self.context), ("horizon", self.horizon), ("stride", self.stride)]
        {
            ensure!(
                (1..1 << 20).contains(&value),
                "data.{name} is {value}; it must be 1 to 1048575"
            );
        }
        let quantiles = &self.quantiles;
        ensure!(
            quantiles.is_empty()
                || quantiles.contains(&0.5)
                    && quantiles.windows(2).all(|pair| pair[0] < pair[1])
                    && quantiles.iter().all(|quantile| *quantile > 0.0 && *quantile < 1.0),
            "data.quantiles is {quantiles:?}; they rise, are above 0 and below 1, and 0.5 is one of them"
        );
        if let Some([train, val]) = self.shares {
            ensure!(
                train > 0.0 && val > 0.0 && train + val < 1.0,
                "data.shares is [{train}, {val}]; both are above 0, and together below 1"
            );
        }
        Ok(())
    }

    fn form(&self, channels: Vec<Quantity>, step: Step) -> Form {
        let targets = if self.features == Features::M { channels.len() } else { 1 };
        Form {
            channels,
            targets,
            context: self.context,
            horizon: self.horizon,
            step,
            calendar: self.calendar,
            horizon_calendar: self.horizon_calendar,
            horizon_mask: self.horizon_mask,
        }
    }
}

fn open(task: &Task, data: &Toml, set: Option<&Set>) -> Result<Splits> {
    let settings: Data = task.settings(data)?;
    settings.validate()?;
    let path = match set {
        None => file(settings.dir.as_deref())?,
        Some(set) => set.locate(settings.dir.as_deref(), task.name).map_err(|looked| {
            anyhow!(
                "{} is not in {}: {}, and name its folder with --data DIR",
                set.file,
                listed(&looked),
                set.from
            )
        })?,
    };
    let mut findings = Findings::default();
    let kept: Option<Vec<String>> = settings
        .channels
        .as_ref()
        .map(|channels| channels.iter().map(|channel| channel.name.clone()).collect());
    let columns = kept.as_deref().or(settings.columns.as_deref());
    let mut table = Table::read(&path, columns, settings.step, &mut findings)?;
    if kept.is_none() {
        let target = settings.target.as_deref().or(set.map(|set| set.target));
        table = chosen(table, settings.features, target)?;
    }
    let ends = ends(&settings, set, table.len())?;
    let channels = match &settings.channels {
        Some(channels) => channels.clone(),
        None => measure(&table, ends[0])?,
    };
    let form = Arc::new(settings.form(channels.clone(), table.step));
    let reader = Reader { form: (*form).clone(), quantiles: settings.quantiles.clone() };
    let decided = Data { step: Some(table.step), channels: Some(channels), ..settings };
    let table = Arc::new(table);
    let windows = |part: &str, rows, stride| {
        let windows = Windows::new(table.clone(), form.clone(), rows, stride);
        windows.map(Split::new).with_context(|| format!("the {part} part"))
    };
    let stride = decided.stride;
    let [train, val, test] = ends;
    let splits = [
        windows("training", 0..train, 1)?,
        windows("validation", train..val, stride)?,
        windows("test", val..test, stride)?,
    ];
    let unused = table.len() - test;
    let origin = format!(
        "{}: {} rows of {} columns, {} apart: {train} to train on, {} to validate, {} to test{}; windows of \
         {} + {} steps: {}, {}, {}",
        path.display(),
        table.len(),
        table.columns.len(),
        table.step,
        val - train,
        test - val,
        if unused > 0 {
            format!(", {unused} at the end unused, as in the papers")
        } else {
            String::new()
        },
        decided.context,
        decided.horizon,
        splits[0].len(),
        splits[1].len(),
        splits[2].len()
    );
    let [train, val, test] = splits;
    let (shape, medium, config) = (reader.shape(), Medium::Series, to_table(&decided)?);
    Ok(Splits { shape, medium, config, train, val, test, origin, findings })
}

/// The CSV file that `data.dir` is, or the one in that folder.
fn file(dir: Option<&Path>) -> Result<PathBuf> {
    let dir = dir.ok_or_else(|| {
        usage("the task `series` is about a CSV file of your own: name it with --data FILE")
    })?;
    if !dir.is_dir() {
        return Ok(dir.to_owned());
    }
    let entries = fs::read_dir(dir).map_err(cannot("read", dir))?;
    let paths = entries.map(|entry| Ok(entry.map_err(cannot("read", dir))?.path()));
    let mut files: Vec<PathBuf> = paths.collect::<Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("csv")));
    match &files[..] {
        [file] => Ok(file.clone()),
        _ => bail!("{} has {} CSV files; name one with --data FILE", dir.display(), files.len()),
    }
}

/// The table with the columns that go in, those asked for last.
fn chosen(table: Table, features: Features, target: Option<&str>) -> Result<Table> {
    let count = table.columns.len();
    let place = match target {
        None => count - 1,
        Some(target) => {
            table.columns.iter().position(|name| name == target).with_context(|| {
                format!(
                    "there is no column `{target}` for data.target; there are {}",
                    table.columns.join(", ")
                )
            })?
        }
    };
    let order: Vec<usize> = match features {
        Features::S => vec![place],
        Features::Ms => (0..count).filter(|column| *column != place).chain([place]).collect(),
        Features::M => return Ok(table),
    };
    let rows = table.values.chunks_exact(count);
    let values = rows.flat_map(|row| order.iter().map(|&column| row[column])).collect();
    let columns = order.iter().map(|&column| table.columns[column].clone()).collect();
    Ok(Table { columns, values, ..table })
}

/// Rows at which training, validation and test end.
fn ends(settings: &Data, set: Option<&Set>, rows: usize) -> Result<[usize; 3]> {
    if let (None, Some([.., last]), Some(set)) =
        (settings.shares, set.and_then(|set| set.ends), set)
    {
        ensure!(rows >= last, "{} has {rows} rows, the official file {last} and more", set.file);
    }
    if let (None, Some(ends)) = (settings.shares, set.and_then(|set| set.ends)) {
        return Ok(ends);
    }
    // As officially: the test part is rounded down as the training part is, and validation has the rest.
    let [train, val] = settings.shares.unwrap_or([0.7, 0.1]);
    let share = |share: f64| (rows as f64 * share + 1e-9) as usize;
    Ok([share(train), rows - share(1.0 - train - val), rows])
}

/// Mean and deviation of each column over the first rows.
fn measure(table: &Table, rows: usize) -> Result<Vec<Quantity>> {
    let count = table.columns.len();
    let of = |(column, name): (usize, &String)| {
        let values = table.values[..rows * count].iter().skip(column).step_by(count).copied();
        Quantity::measure(name, &values.collect::<Vec<_>>())
            .with_context(|| format!("the column `{name}`: name the others in data.columns"))
    };
    table.columns.iter().enumerate().map(of).collect()
}

/// How the run's series were read.
fn reader(task: &Task, data: &Toml) -> Result<Reader> {
    let settings: Data = task.settings(data)?;
    let example = "[{ name = \"OT\", mean = 0.0, std = 1.0 }]";
    let channels = decided(settings.channels.clone(), "channels", example)?;
    let step = decided(settings.step, "step", "\"1h\"")?;
    Ok(Reader { form: settings.form(channels, step), quantiles: settings.quantiles })
}

fn provenance(task: &Task, data: &Toml) -> Result<Provenance> {
    let Data { dir, features, context, horizon, .. } = task.settings(data)?;
    let name = match (task.name, dir.as_deref().and_then(Path::file_name)) {
        ("series", Some(name)) => format!("{}, ", name.to_string_lossy()),
        _ => String::new(),
    };
    let words = format!("{name}{features:?}, {context} to {horizon}").replace("Ms", "MS");
    Ok(Provenance { words, ..Provenance::default() })
}
