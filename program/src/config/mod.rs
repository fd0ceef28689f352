//! Typed configuration files: TOML into a struct, with `--set key.path=value` on top.
//!
//! The struct refuses unknown keys (`#[serde(deny_unknown_fields)]`); here such a refusal becomes a
//! message with file, line, full key and the nearest known name.

mod aliases;
mod commented;
mod diagnose;
mod overrides;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

pub use commented::{commented, schema};
pub use diagnose::Problem;
use diagnose::Source;

use crate::files::cannot;

/// What a configuration file holds.
pub trait Config: DeserializeOwned {
    /// Old names of keys, which still work.
    const ALIASES: &'static [Aliases] = &[];

    /// Names and texts of the files that others may be based on: `base = "NAME"` in a file means all
    /// of that one's settings but for those that the file has itself.
    fn presets() -> Vec<(String, &'static str)> {
        Vec::new()
    }

    /// Checks and fills in sections whose type another setting decides ([`section`]).
    ///
    /// # Errors
    /// If such a section has an unknown key or a wrong value.
    fn complete(&mut self) -> Result<(), Problem> {
        Ok(())
    }
}

/// Old names of keys and what they are called now: full keys of settings or of sections.
pub type Aliases = &'static [(&'static str, &'static str)];

/// A configuration and where it came from.
#[derive(Debug, Clone)]
pub struct Loaded<T> {
    /// The typed configuration.
    pub value: T,
    /// What `--set` changed, one line to print each.
    pub changes: Vec<String>,
    /// The full keys that it changed.
    pub keys: Vec<String>,
}

/// Reads `file` and applies `overrides`, each `key.path=value` with a TOML value; what is no TOML
/// value is taken as a string.
///
/// # Errors
/// If the file cannot be read, is no TOML, or has unknown keys, missing keys or values of the wrong
/// type. Errors in an override are errors of usage.
pub fn load<T: Config>(file: &Path, overrides: &[String]) -> Result<Loaded<T>> {
    let text = fs::read_to_string(file).map_err(cannot("read the configuration", file))?;
    parse(&file.display().to_string(), &text, overrides)
}

/// As [`load`] with the file's `text`, called `name` in messages.
///
/// # Errors
/// As [`load`].
pub fn parse<T: Config>(name: &str, text: &str, overrides: &[String]) -> Result<Loaded<T>> {
    let source = Source { name, text };
    let base: Table = table::<T>(&source)?;
    let mut table = base.clone();
    let mut changes = Vec::new();
    let mut keys = Vec::new();
    for text in overrides {
        let change = overrides::apply(&mut table, text, T::ALIASES)?;
        changes.push(format!("set: {change}"));
        keys.push(change.key);
    }
    let completed = |table| {
        let mut value: T = typed(table)?;
        value.complete().map(|()| value)
    };
    let mut value = completed(table.clone());
    while let Err(problem) = &value {
        let leftover = problem.unknown_key().map(ToOwned::to_owned);
        let Some(change) =
            leftover.and_then(|key| overrides::drop_leftover(&mut table, &key, &keys))
        else {
            break;
        };
        changes.push(format!("set: {change}"));
        value = completed(table.clone());
    }
    match value {
        Ok(value) => Ok(Loaded { value, changes, keys }),
        Err(problem) => {
            // Where the file alone has the same problem, no override is to blame.
            let in_file = completed(base).err().is_some_and(|other| other == problem);
            let culprit = overrides
                .iter()
                .zip(&keys)
                .rev()
                .find(|(_, key)| !in_file && problem.concerns(key))
                .map(|(text, _)| text.as_str());
            Err(source.explain(&problem, culprit))
        }
    }
}

/// What `source` says by its keys of today, over what its `base` says.
fn table<T: Config>(source: &Source<'_>) -> Result<Table> {
    let mut table: Table = source.text.parse().map_err(|error| source.syntax_error(&error))?;
    for (old, new) in T::ALIASES.iter().copied().flatten() {
        aliases::rename(&mut table, old, new).map_err(|problem| source.explain(&problem, None))?;
    }
    let Some(base) = table.remove(BASE) else { return Ok(table) };
    let presets = T::presets();
    let base = base.as_str().unwrap_or_default();
    let Some((name, text)) = presets.iter().find(|(name, _)| name == base) else {
        let names: Vec<&str> = presets.iter().map(|(name, _)| name.as_str()).collect();
        bail!("{}: `{BASE}` is \"{base}\"; it may be one of {}", source.name, names.join(", "));
    };
    let mut below = self::table::<T>(&Source { name, text })?;
    lay_over(&mut below, table);
    Ok(below)
}

/// The key of a configuration file that names the preset which it changes.
const BASE: &str = "base";

/// `key` of a `T` as it is called now.
pub fn current_key<T: Config>(key: &str) -> String {
    aliases::current(key, T::ALIASES)
}

/// Puts the settings of `upper` in the place of those of `lower`, section by section. A section of
/// another `name`, as of another schedule, replaces the whole section.
fn lay_over(lower: &mut Table, upper: Table) {
    for (key, value) in upper {
        match (lower.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above))
                if above.get("name").is_none_or(|name| below.get("name") == Some(name)) =>
            {
                lay_over(below, above);
            }
            (_, value) => drop(lower.insert(key, value)),
        }
    }
}

/// A section whose type another setting decides. Errors are about keys below `name`, of the `owner`
/// of the section.
///
/// # Errors
/// If it has unknown keys, missing keys or values of the wrong type.
pub fn section<T: DeserializeOwned>(name: &str, owner: &str, table: &Table) -> Result<T, Problem> {
    typed(table.clone()).map_err(|problem| problem.in_section(name, owner))
}

/// The complete configuration as TOML: to be printed, and saved with the run.
///
/// # Errors
/// If `config` has what TOML cannot express.
pub fn to_toml<T: Serialize>(config: &T) -> Result<String> {
    // By way of a table, as everywhere: each way of writing is compiled anew for every type.
    Ok(toml::to_string_pretty(&to_table(config)?)?)
}

/// A configuration as a table.
///
/// # Errors
/// If `config` has what TOML cannot express.
pub fn to_table<T: Serialize>(config: &T) -> Result<Table> {
    Table::try_from(config).context("the configuration cannot be written as TOML")
}

/// All settings of a TOML text by full key, sorted: `model.d_model`, ... Text that is no TOML has
/// none.
pub fn settings(text: &str) -> BTreeMap<String, Value> {
    fn walk(prefix: &str, table: Table, into: &mut BTreeMap<String, Value>) {
        for (key, value) in table {
            let key = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
            match value {
                Value::Table(table) => walk(&key, table, into),
                value => drop(into.insert(key, value)),
            }
        }
    }
    let mut all = BTreeMap::new();
    walk("", text.parse().unwrap_or_default(), &mut all);
    all
}

/// Settings in which two configurations (TOML) differ: key, value in `a`, value in `b`.
pub fn differences(a: &str, b: &str) -> Vec<(String, Option<String>, Option<String>)> {
    let (a, b) = (settings(a), settings(b));
    let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter()
        .filter(|key| a.get(*key) != b.get(*key))
        .map(|key| {
            let show = |all: &BTreeMap<String, Value>| all.get(key).map(Value::to_string);
            (key.clone(), show(&a), show(&b))
        })
        .collect()
}

fn typed<T: DeserializeOwned>(table: Table) -> Result<T, Problem> {
    serde_path_to_error::deserialize(table).map_err(|error| {
        let path = error.path().to_string();
        Problem::new(&path, error.into_inner().message())
    })
}
