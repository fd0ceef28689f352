//! Parameters by their names.

use std::fmt;

use anyhow::{Result, bail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wildmatch::WildMatchPattern;

/// Names of parameters, in which `*` stands for any characters, dots included:
/// `encoder.*`, `*.norm.*`, `model.layers.0.*.C`. Without a star it is one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// Whether `name` is one of these.
    pub fn matches(&self, name: &str) -> bool {
        WildMatchPattern::<'*', '\0'>::new(&self.0).matches(name)
    }

    /// Refuses a pattern that matches none of `names`, which a slip of the keyboard does.
    ///
    /// # Errors
    /// Has the `setting` that the pattern is from, and the nearest names.
    pub fn check(&self, setting: &str, names: &[&str]) -> Result<()> {
        const SHOWN: usize = 3;
        if names.iter().any(|name| self.matches(name)) {
            return Ok(());
        }
        let plain = self.0.replace('*', "");
        let mut near: Vec<_> =
            names.iter().map(|name| (strsim::jaro_winkler(name, &plain), name)).collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0));
        let near: Vec<_> = near.into_iter().take(SHOWN).map(|(_, name)| *name).collect();
        bail!("{setting}: no parameter matches `{self}`; near it are {}", near.join(", "))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern(text.to_owned())
    }

    #[test]
    fn a_star_is_any_characters() {
        let name = "model.layers.0.layer.kernel.C";
        for matching in ["*", name, "model.*", "*.kernel.*", "*.C", "model.*.0.*C", "**kernel*C*"] {
            assert!(pattern(matching).matches(name), "{matching}");
        }
        for other in
            ["", "model", "*.kernel", "kernel.*", "*.C.*", "model.layers.0.layer.kernel.Cx"]
        {
            assert!(!pattern(other).matches(name), "{other}");
        }
        // What begins a name cannot be what ends it.
        assert!(!pattern("ab*bc").matches("abc"));
    }

    #[test]
    fn a_pattern_without_a_match_is_an_error_with_near_names() {
        let names = ["encoder.weight", "layers.0.A", "decoder.weight", "layers.1.A"];
        pattern("layers.*").check("train.groups", &names).unwrap();
        let error = pattern("decodr.*").check("train.groups", &names).unwrap_err();
        let message = error.to_string();
        assert!(
            message
                .starts_with("train.groups: no parameter matches `decodr.*`; near it are decoder"),
            "{message}"
        );
    }
}
