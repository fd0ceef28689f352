//! Old names of keys.

use toml::{Table, Value};

use super::{Aliases, Problem};

/// `key` with the names that its parts have now.
pub(super) fn current(key: &str, aliases: &[Aliases]) -> String {
    let mut key = key.to_owned();
    for (old, new) in aliases.iter().copied().flatten() {
        if let Some(rest) = key.strip_prefix(old)
            && (rest.is_empty() || rest.starts_with('.'))
        {
            key = format!("{new}{rest}");
        }
    }
    key
}

/// Moves what `table` has at the key `old` to the key `new`.
pub(super) fn rename(table: &mut Table, old: &str, new: &str) -> Result<(), Problem> {
    let Some(value) = parent(table, old).and_then(|(section, name)| section.remove(name)) else {
        return Ok(());
    };
    match parent(table, new) {
        Some((section, name)) if !section.contains_key(name) => {
            section.insert(name.to_owned(), value);
            Ok(())
        }
        _ => Err(Problem::twice(old, new)),
    }
}

/// The section that `key` is in, if it exists, and the key's last part.
fn parent<'a>(table: &'a mut Table, key: &'a str) -> Option<(&'a mut Table, &'a str)> {
    let Some((sections, name)) = key.rsplit_once('.') else { return Some((table, key)) };
    let section = sections
        .split('.')
        .try_fold(table, |table, part| table.get_mut(part).and_then(Value::as_table_mut))?;
    Some((section, name))
}
