//! The classes of data whose labels are found with it.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, ensure};
use program::names::composed;

/// The classes in the order of their numbers: those `wanted`, or else `default`. What is wanted must
/// be among the labels `found` in `dir`, which are in normal form (NFC), as the result is.
///
/// # Errors
/// If a wanted class is not there or named twice, or if there are fewer than two.
pub fn choose(
    wanted: Option<&[String]>,
    default: Vec<String>,
    found: &BTreeSet<String>,
    dir: &Path,
) -> Result<Vec<String>> {
    let classes = match wanted {
        None => default,
        Some(wanted) => {
            let wanted: Vec<_> = wanted.iter().map(|class| composed(class)).collect();
            for (number, class) in wanted.iter().enumerate() {
                ensure!(
                    found.contains(class),
                    "data.classes has `{class}`, but the classes in {} are: {}",
                    dir.display(),
                    found.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
                );
                ensure!(!wanted[..number].contains(class), "data.classes has `{class}` twice");
            }
            wanted
        }
    };
    ensure!(
        classes.len() >= 2,
        "only {} in {}: to tell classes apart takes at least two",
        classes.first().map_or_else(|| "no class".to_owned(), |class| format!("`{class}`")),
        dir.display()
    );
    Ok(classes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_those_wanted_or_all() {
        let found: BTreeSet<_> = ["a", "b", "c"].map(str::to_owned).into();
        let all: Vec<_> = found.iter().cloned().collect();
        let choose = |wanted: Option<&[&str]>| {
            let wanted: Option<Vec<_>> =
                wanted.map(|names| names.iter().map(ToString::to_string).collect());
            choose(wanted.as_deref(), all.clone(), &found, Path::new("d"))
                .map_err(|e| e.to_string())
        };
        assert_eq!(choose(None).unwrap(), ["a", "b", "c"]);
        assert_eq!(choose(Some(&["c", "a"])).unwrap(), ["c", "a"]);
        let found = BTreeSet::from(["élan".to_owned(), "a".to_owned()]);
        let wanted = ["a".to_owned(), "e\u{301}lan".to_owned()];
        let chosen = super::choose(Some(&wanted), vec![], &found, Path::new("d")).unwrap();
        assert_eq!(chosen, ["a", "élan"]);
        assert!(
            choose(Some(&["a", "x"])).unwrap_err().contains("`x`, but the classes in d are: a")
        );
        assert!(choose(Some(&["a", "a"])).unwrap_err().contains("twice"));
        assert!(choose(Some(&["a"])).unwrap_err().contains("only `a`"));
    }
}
