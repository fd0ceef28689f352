//! `--sweep`: the settings that the runs of one folder differ in.

use std::fs;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result, ensure};
use program::config::{self, Config};
use program::exit::usage;
use program::files;
use program::names::folder_stem;
use toml::{Table, Value};

use crate::run_dir;

/// One setting and the values that it takes: `train.optimizer.lr=1e-3,3e-3`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axis {
    /// Its full key.
    pub key: String,
    /// TOML values, or strings as they are.
    pub values: Vec<String>,
}

impl Axis {
    /// The same under the name that its setting has now.
    pub(super) fn by_current_key<T: Config>(&self) -> Self {
        Self { key: config::current_key::<T>(&self.key), values: self.values.clone() }
    }
}

impl FromStr for Axis {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (key, values) = text.split_once('=').context("expected KEY=VALUE,VALUE,...")?;
        let values = elements(values);
        ensure!(
            !key.trim().is_empty() && values.iter().all(|value| !value.is_empty()),
            "expected KEY=VALUE,VALUE,..., with a value between any two commas"
        );
        for (i, value) in values.iter().enumerate() {
            let same = values[..i].iter().find(|other| meant(other) == meant(value));
            ensure!(same.is_none(), "{value} stands there twice");
        }
        Ok(Self { key: key.trim().to_owned(), values })
    }
}

/// What a value means: 1e-3 and 0.001 are the same number, what is no TOML is a string.
fn meant(text: &str) -> Value {
    let table = format!("x = {text}").parse::<Table>();
    let value = table.ok().and_then(|mut table| table.remove("x"));
    match value {
        Some(Value::Integer(number)) => Value::Float(number as f64),
        other => other.unwrap_or_else(|| Value::String(text.to_owned())),
    }
}

/// What stands between the commas of `text`; those within brackets, braces and quotes belong to a
/// value.
fn elements(text: &str) -> Vec<String> {
    let mut elements = vec![String::new()];
    let (mut depth, mut quote) = (0usize, None);
    for c in text.chars() {
        match (c, quote) {
            ('"' | '\'', None) => quote = Some(c),
            (_, Some(open)) if c == open => quote = None,
            ('[' | '{', None) => depth += 1,
            (']' | '}', None) => depth = depth.saturating_sub(1),
            (',', None) if depth == 0 => {
                elements.push(String::new());
                continue;
            }
            _ => {}
        }
        elements.last_mut().expect("there is one").push(c);
    }
    elements.into_iter().map(|element| element.trim().to_owned()).collect()
}

/// One combination of values.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Point {
    /// Its folder: `lr=1e-3,d_model=64`.
    pub(super) name: String,
    /// `key=value`, one an axis.
    pub(super) overrides: Vec<String>,
}

/// All combinations, the last axis changing fastest.
///
/// # Errors
/// If two axes have one key, or two combinations would share a folder.
pub(super) fn points(axes: &[Axis]) -> Result<Vec<Point>> {
    for (i, axis) in axes.iter().enumerate() {
        if axes[..i].iter().any(|other| other.key == axis.key) {
            return Err(usage(format!("--sweep has {} twice", axis.key)));
        }
    }
    let labels: Vec<&str> = axes.iter().map(|axis| label(axis, axes)).collect();
    let mut points = vec![Point { name: String::new(), overrides: Vec::new() }];
    for (axis, label) in axes.iter().zip(labels) {
        let with = |point: &Point, value: &str| {
            let comma = if point.name.is_empty() { "" } else { "," };
            let value_name = value.trim_matches(['"', '\'']);
            let name = folder_stem(&format!("{}{comma}{label}={value_name}", point.name));
            let mut overrides = point.overrides.clone();
            overrides.push(format!("{}={value}", axis.key));
            Point { name, overrides }
        };
        points = points
            .iter()
            .flat_map(|point| axis.values.iter().map(|value| with(point, value)))
            .collect();
    }
    let mut names: Vec<&str> = points.iter().map(|point| &*point.name).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(usage(format!("--sweep: two runs would be called {}", pair[0]))),
        None => Ok(points),
    }
}

/// As much of an axis' key, from its end, as no other axis has.
fn label<'a>(axis: &'a Axis, axes: &[Axis]) -> &'a str {
    let starts = axis.key.rmatch_indices('.').map(|(at, _)| at + 1).chain([0]);
    let is_alone = |label: &&str| {
        let ends = |key: &str| key == *label || key.ends_with(&format!(".{label}"));
        axes.iter().filter(|other| ends(&other.key)).count() == 1
    };
    starts.map(|at| &axis.key[at..]).find(is_alone).unwrap_or(&axis.key)
}

/// Makes `folder` one of a sweep: its file `sweep.toml` says what its runs differ in.
///
/// # Errors
/// If the file cannot be written.
pub(super) fn write(folder: &Path, axes: &[Axis]) -> Result<()> {
    let table: Table =
        axes.iter().map(|axis| (axis.key.clone(), axis.values.clone().into())).collect();
    let text = format!("# Each combination is a run; `train --resume` goes on with them.\n{table}");
    files::write(&run_dir::sweep_file(folder), text.as_bytes())
}

/// The keys that the runs of `folder` differ in, where they are those of a sweep.
///
/// # Errors
/// If its file is damaged.
pub(super) fn keys(folder: &Path) -> Result<Vec<String>> {
    let path = run_dir::sweep_file(folder);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let table: Table = text.parse().with_context(|| format!("{} is damaged", path.display()))?;
    Ok(table.keys().cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axes(texts: &[&str]) -> Vec<Axis> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn commas_within_values_are_theirs() {
        let axis: Axis = "model.pool=[2, 4],[4],'a,b', x ".parse().unwrap();
        assert_eq!(axis.values, ["[2, 4]", "[4]", "'a,b'", "x"]);
        for wrong in ["lr", "=1", "lr=", "lr=1,,2", "lr=1,2,1", "lr=1e-3,0.001", "n=2,2.0"] {
            wrong.parse::<Axis>().unwrap_err();
        }
    }

    #[test]
    fn a_sweep_is_every_combination_under_the_shortest_names_that_tell_them_apart() {
        let axes = axes(&["train.optimizer.lr=1e-3,3e-3", "model.layer.ssm.lr=0.1,\"auto\""]);
        let points = points(&axes).unwrap();
        let names: Vec<&str> = points.iter().map(|point| &*point.name).collect();
        let expected = ["1e-3", "3e-3"]
            .map(|rate| ["0.1", "auto"].map(|own| format!("optimizer.lr={rate},ssm.lr={own}")));
        assert_eq!(names, expected.concat());
        assert_eq!(points[1].overrides, ["train.optimizer.lr=1e-3", "model.layer.ssm.lr=\"auto\""]);
        let alone = super::points(&axes[..1]).unwrap();
        assert_eq!(alone[0].name, "lr=1e-3");
    }

    #[test]
    fn runs_that_would_share_a_folder_are_refused() {
        let twice = axes(&["a.lr=1", "a.lr=2"]);
        assert!(points(&twice).unwrap_err().to_string().contains("twice"));
        let alike = axes(&["a=x/y,x_y"]);
        assert!(points(&alike).unwrap_err().to_string().contains("a=x_y"));
    }

    #[test]
    fn a_folder_says_what_its_runs_differ_in() {
        let folder = tempfile::tempdir().unwrap();
        assert!(keys(folder.path()).unwrap().is_empty());
        write(folder.path(), &axes(&["b.c=1,2", "a=x"])).unwrap();
        assert_eq!(keys(folder.path()).unwrap(), ["b.c", "a"]);
    }
}
