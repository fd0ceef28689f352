//! Keys under their present names.

use toml::{Table, Value};

use super::Renamed;

/// Moves what stands under old keys to the new ones, unless there is something already.
pub(super) fn in_table(table: &mut Table, renamed: Renamed) {
    for (old, new) in renamed {
        let Some(value) = remove(table, old) else { continue };
        if !insert(table, new, &value) {
            insert(table, old, &value);
        }
    }
}

/// The present name of a full key.
pub(super) fn key(key: &str, renamed: Renamed) -> String {
    let mut key = key.to_owned();
    for (old, new) in renamed {
        if let Some(rest) = key.strip_prefix(old).filter(|r| r.is_empty() || r.starts_with('.')) {
            key = format!("{new}{rest}");
        }
    }
    key
}

fn remove(table: &mut Table, key: &str) -> Option<Value> {
    match key.split_once('.') {
        None => table.remove(key),
        Some((section, rest)) => remove(table.get_mut(section)?.as_table_mut()?, rest),
    }
}

/// Whether there was room for it.
fn insert(table: &mut Table, key: &str, value: &Value) -> bool {
    match key.split_once('.') {
        None if table.contains_key(key) => false,
        None => table.insert(key.to_owned(), value.clone()).is_none(),
        Some((section, rest)) => {
            let section = table.entry(section).or_insert_with(|| Table::new().into());
            section.as_table_mut().is_some_and(|section| insert(section, rest, value))
        }
    }
}
