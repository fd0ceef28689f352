//! `--set key.path=value`.

use std::fmt;

use anyhow::Result;
use toml::{Table, Value};

use super::{Aliases, aliases};
use crate::exit::usage;

/// One applied override.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) key: String,
    old: Option<Value>,
    /// `None` where the key is left out.
    new: Option<Value>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |value: &Option<Value>, without: &str| {
            value.as_ref().map_or_else(|| without.to_owned(), Value::to_string)
        };
        write!(f, "{}: {} -> {}", self.key, side(&self.old, "default"), side(&self.new, "left out"))
    }
}

/// Sets in `table` what `text` says.
pub(super) fn apply(table: &mut Table, text: &str, aliases: &[Aliases]) -> Result<Change> {
    let Some((key, value)) = text.split_once('=') else {
        return Err(usage(format!("--set {text}: expected key=value, as in model.d_model=64")));
    };
    let key = &aliases::current(key.trim(), aliases);
    let parts: Vec<&str> = key.split('.').collect();
    if parts.iter().any(|part| part.is_empty()) {
        return Err(usage(format!("--set {text}: the key has an empty part")));
    }
    let (last, sections) = parts.split_last().expect("split gives at least one part");
    let mut at = table;
    for (depth, section) in sections.iter().enumerate() {
        let entry = at.entry(*section).or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(inner) = entry else {
            let prefix = parts[..=depth].join(".");
            return Err(usage(format!("--set {text}: {prefix} is {entry}, not a section")));
        };
        at = inner;
    }
    let new = parse_value(value.trim());
    let old = at.insert((*last).to_owned(), new.clone());
    Ok(Change { key: key.clone(), old, new: Some(new) })
}

/// Takes `key` from `table` where what is set, `keys`, has made its section that of another `name`, as of
/// another schedule: it is what the other one needed.
pub(super) fn drop_leftover(table: &mut Table, key: &str, keys: &[String]) -> Option<Change> {
    let (section, last) = key.rsplit_once('.')?;
    if !keys.contains(&format!("{section}.name")) || keys.iter().any(|set| set == key) {
        return None;
    }
    let section =
        section.split('.').try_fold(table, |at, part| at.get_mut(part)?.as_table_mut())?;
    let old = section.remove(last)?;
    Some(Change { key: key.to_owned(), old: Some(old), new: None })
}

/// A TOML value, or a number without its leading 0, or a string.
fn parse_value(text: &str) -> Value {
    let as_toml = format!("v = {text}").parse::<Table>();
    match as_toml.ok().and_then(|mut table| table.remove("v")) {
        Some(value) => value,
        None => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Value::Float(number),
            _ => Value::String(text.to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_toml_or_else_strings() {
        for (text, value) in [
            ("64", Value::Integer(64)),
            ("1e-3", Value::Float(1e-3)),
            (".5", Value::Float(0.5)),
            ("true", Value::Boolean(true)),
            ("\"64\"", Value::from("64")),
            ("legs", Value::from("legs")),
            ("a b # c", Value::from("a b # c")),
            ("", Value::from("")),
            ("[1, 2]", Value::from(vec![1, 2])),
        ] {
            assert_eq!(parse_value(text), value, "{text}");
        }
    }

    #[test]
    fn changes_are_shown_with_the_old_value() {
        let mut table: Table = "[model]\nd_model = 32".parse().unwrap();
        let change = apply(&mut table, "model.d_model = 64", &[]).unwrap();
        assert_eq!(change.to_string(), "model.d_model: 32 -> 64");
        let change = apply(&mut table, "train.optimizer.lr=0.1", &[]).unwrap();
        assert_eq!(change.to_string(), "train.optimizer.lr: default -> 0.1");
        assert_eq!(table["train"]["optimizer"]["lr"].as_float(), Some(0.1));
    }

    #[test]
    fn nonsense_is_refused() {
        let mut table: Table = "a = 1".parse().unwrap();
        for (text, reason) in [
            ("a", "expected key=value"),
            ("a..b=1", "empty part"),
            ("=1", "empty part"),
            ("a.b=1", "a is 1, not a section"),
        ] {
            let message = apply(&mut table, text, &[]).unwrap_err().to_string();
            assert!(message.contains(reason), "{message}");
        }
    }
}
