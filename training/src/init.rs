//! Initial weights from another run or a file: `[train.init]`.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use s4_core::params::ParamStore;
use s4_core::state_dict::StateDict;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::checkpoint::{Checkpoint, load_weights};
use crate::pattern::Pattern;
use crate::run_dir;

/// Where a new run takes weights from, by name. What is not taken is initialised as without it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InitConfig {
    /// A run, whose best weights are meant, or a file of weights (`.safetensors`).
    pub from: String,
    /// Names that are taken, with `*` for any characters; all where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<Pattern>,
    /// Names that are not taken, although they are included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<Pattern>,
    /// The SHA-256 of the weights that an adapted run was begun with. Kept with the run, which goes on
    /// with no others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

/// What became of the names of a source and a model. Displayed, it is a few lines.
#[derive(Debug, Default, PartialEq)]
pub struct Taken {
    /// The source.
    pub from: String,
    /// Copied from the source into the model.
    pub taken: Vec<String>,
    /// In the source, and not used.
    pub left: Vec<String>,
    /// In the model, and not in what was included of the source.
    pub missing: Vec<String>,
}

impl InitConfig {
    /// Weights from `from`.
    pub fn new(from: String) -> Self {
        Self { from, include: Vec::new(), exclude: Vec::new(), hash: None }
    }

    /// Copies the weights that are wanted into `params`, in the model's own kind.
    ///
    /// # Errors
    /// If the source cannot be read, a pattern matches none of its names, a shape differs, or
    /// nothing is left to take; then `params` are as before.
    pub fn load_into(&self, params: &ParamStore) -> Result<Taken> {
        self.load_those(params, |_| true)
    }

    /// [`Self::load_into`] of names that are also `allowed`.
    pub(crate) fn load_those(
        &self,
        params: &ParamStore,
        allowed: impl Fn(&str) -> bool,
    ) -> Result<Taken> {
        let source = self.weights().context("train.init.from")?;
        let names: Vec<&str> = source.names().collect();
        for (setting, patterns) in
            [("train.init.include", &self.include), ("train.init.exclude", &self.exclude)]
        {
            patterns.iter().try_for_each(|p| p.check(setting, &names))?;
        }
        let any = |patterns: &[Pattern], name: &str| patterns.iter().any(|p| p.matches(name));
        let wanted = |name: &str| {
            allowed(name)
                && (self.include.is_empty() || any(&self.include, name))
                && !any(&self.exclude, name)
        };
        let mut report = Taken { from: self.from.clone(), ..Taken::default() };
        let (mut pairs, mut problems) = (Vec::new(), Vec::new());
        for entry in params.entries() {
            let (name, own) = (&entry.name, &entry.tensor);
            match source.get(name).filter(|_| wanted(name)) {
                None => report.missing.push(name.clone()),
                Some(other) => {
                    if other.size() != own.size() {
                        let (there, here) = (other.size(), own.size());
                        problems
                            .push(format!("{name} has shape {there:?} there and {here:?} here"));
                    }
                    pairs.push((own, other));
                    report.taken.push(name.clone());
                }
            }
        }
        ensure!(
            problems.is_empty(),
            "train.init: weights of {} do not fit; leave them out with train.init.exclude:\n  {}",
            self.from,
            problems.join("\n  ")
        );
        ensure!(
            !pairs.is_empty(),
            "train.init: the model has none of the weights of {}: it has {} and not {}",
            self.from,
            families(&report.missing),
            families(names.iter().filter(|name| wanted(name)))
        );
        let taken: HashSet<&String> = report.taken.iter().collect();
        let left = names.iter().map(|&name| name.to_owned()).filter(|name| !taken.contains(name));
        report.left = left.collect();
        let _guard = tch::no_grad_guard();
        for (own, other) in pairs {
            // Through a detached alias: the leaf itself keeps requiring gradients.
            own.detach().f_copy_(other)?;
        }
        Ok(report)
    }

    /// Keeps which weights the source has now.
    ///
    /// # Errors
    /// If they cannot be read, or are not those that were kept before.
    pub fn identify(&mut self) -> Result<()> {
        let weights = self.weights().context("train.init.from")?;
        if self.hash.is_none() {
            self.hash = Some(hash(&weights)?);
        }
        Ok(())
    }

    /// All weights of the source.
    pub(crate) fn weights(&self) -> Result<StateDict> {
        let file = Path::new(&self.from);
        let weights = if file.is_file() {
            load_weights(file)?
        } else {
            Checkpoint::load_best(&run_dir::find(run_dir::root(), &self.from)?)?.whole()?
        };
        if let Some(expected) = &self.hash {
            let found = hash(&weights)?;
            ensure!(
                found == *expected,
                "the weights of {} have changed since a model was adapted from them (SHA-256 {found}, \
                 expected {expected}): put the old ones back, or adapt the new ones",
                self.from
            );
        }
        Ok(weights)
    }
}

/// The SHA-256 of names, shapes and values.
fn hash(weights: &StateDict) -> Result<String> {
    let digest = Sha256::digest(weights.to_safetensors(&[])?);
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, taken, left, missing } = self;
        write!(f, "weights of {from}: taken: {}", families(taken))?;
        for (what, names) in [("left in the source", left), ("missing there, new here", missing)] {
            if !names.is_empty() {
                write!(f, "\n  {what}: {}", families(names))?;
            }
        }
        Ok(())
    }
}

/// The names, with those that differ in numbers alone (of layers, say) as one.
fn families<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    let mut families: Vec<(String, usize)> = Vec::new();
    for name in names {
        let parts = name.as_ref().split('.');
        let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let parts: Vec<_> = parts.map(|part| if is_number(part) { "*" } else { part }).collect();
        let family = parts.join(".");
        match families.iter_mut().find(|(known, _)| *known == family) {
            Some((_, count)) => *count += 1,
            None => families.push((family, 1)),
        }
    }
    let shown = families.into_iter().map(|(family, count)| match count {
        1 => family,
        _ => format!("{family} ({count})"),
    });
    shown.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use s4_core::params::Hyper;
    use tch::{Device, Kind, Tensor};

    use super::*;
    use crate::checkpoint::export_weights;

    /// A model with a head of `classes` classes, all of `value`.
    fn store(classes: i64, value: f64, kind: Kind) -> ParamStore {
        let mut store = ParamStore::new(Device::Cpu, kind);
        for (name, size) in [("layers.0.C", 3), ("layers.1.C", 3), ("head.weight", classes)] {
            let tensor = Tensor::full([size], value, (Kind::Double, Device::Cpu));
            let _ = store.root().parameter(name, &tensor, Hyper::GLOBAL).unwrap();
        }
        let _ = store.root().buffer("mean", &Tensor::from(value)).unwrap();
        store
    }

    fn init(folder: &Path, include: &[&str], exclude: &[&str]) -> InitConfig {
        let file = folder.join("source.safetensors");
        export_weights(&file, &store(2, 5.0, Kind::Float).state_dict()).unwrap();
        let from = file.display();
        let text =
            format!("from = {:?}\ninclude = {include:?}\nexclude = {exclude:?}", from.to_string());
        toml::from_str(&text).unwrap()
    }

    fn value(store: &ParamStore, name: &str) -> f64 {
        store.get(name).unwrap().max().double_value(&[])
    }

    #[test]
    fn what_is_not_excluded_is_taken_and_all_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let model = store(10, 1.0, Kind::Double);
        let taken = init(folder.path(), &[], &["head.*"]).load_into(&model).unwrap();
        assert_eq!(
            taken.to_string(),
            format!(
                "weights of {}: taken: layers.*.C (2), mean\n  left in the source: head.weight\n  \
                 missing there, new here: head.weight",
                taken.from
            )
        );
        assert_eq!((value(&model, "layers.1.C"), value(&model, "head.weight")), (5.0, 1.0));
        assert_eq!(value(&model, "mean"), 5.0, "buffers too");
        assert!(model.get("layers.1.C").unwrap().requires_grad());
    }

    #[test]
    fn only_what_is_included_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let model = store(2, 1.0, Kind::Float);
        let taken = init(folder.path(), &["layers.*"], &["*.0.*"]).load_into(&model).unwrap();
        assert_eq!(taken.taken, ["layers.1.C"]);
        assert_eq!(value(&model, "layers.0.C"), 1.0);
    }

    #[test]
    fn what_does_not_fit_is_an_error_that_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let model = store(10, 1.0, Kind::Float);
        let message = |include: &[&str], exclude: &[&str]| {
            let error = init(folder.path(), include, exclude).load_into(&model).unwrap_err();
            format!("{error:#}")
        };
        let other_head = message(&[], &[]);
        assert!(
            other_head.contains("head.weight has shape [2] there and [10] here"),
            "{other_head}"
        );
        assert!(other_head.contains("train.init.exclude"), "{other_head}");
        let slip = message(&["layer.*"], &[]);
        assert!(slip.contains("train.init.include: no parameter matches `layer.*`"), "{slip}");
        let nothing = message(&["mean"], &["mean"]);
        assert!(nothing.contains("none of the weights"), "{nothing}");
        assert_eq!(value(&model, "layers.0.C"), 1.0);
        let nowhere = InitConfig::new("no/run".to_owned()).load_into(&model).unwrap_err();
        assert!(format!("{nowhere:#}").contains("train.init.from: no run no/run"), "{nowhere:#}");
    }
}
