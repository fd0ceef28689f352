//! Parameter groups: which tensors share a learning rate and a weight decay.
//!
//! S4 trains Δ, A and B with a rate of their own and without decay (Gu et al. 2022, appendix on
//! training). A layer says so when it registers a parameter (`Hyper`); here its wishes meet the
//! global settings and those that the user has by name.

use std::fmt;

use anyhow::{Result, ensure};
use indicatif::HumanCount;
use s4_core::params::ParamStore;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::pattern::Pattern;

/// Settings of the parameters with certain names, which go before all others.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupConfig {
    /// Whose: `*` stands for any characters.
    pub names: Pattern,
    /// Learning rate, at least 0; as it would be where it is missing.
    #[serde(default)]
    pub lr: Option<f64>,
    /// Weight decay, at least 0; as it would be where it is missing.
    #[serde(default)]
    pub weight_decay: Option<f64>,
    /// Whether they keep their initial values.
    #[serde(default)]
    pub frozen: bool,
}

impl GroupConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// If the settings contradict each other or say nothing. [`group_parameters`] checks ranges.
    pub fn validate(&self) -> Result<()> {
        let has_numbers = self.lr.is_some() || self.weight_decay.is_some();
        ensure!(
            self.frozen != has_numbers,
            "train.groups: `{}` needs lr, weight_decay or both, or else frozen = true",
            self.names
        );
        Ok(())
    }
}

/// Parameters that are optimised alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Base learning rate, at least 0; a schedule multiplies it.
    pub lr: f64,
    /// Decoupled weight decay per unit of learning rate, at least 0.
    pub weight_decay: f64,
    /// Names of the parameters, in model order.
    pub names: Vec<String>,
    /// How many numbers they hold together.
    pub scalars: usize,
    /// Whether the rate was asked for by the layer or by name rather than taken from the global
    /// setting.
    pub own_rate: bool,
}

impl Group {
    /// Whether the parameters are not trained at all: they have a rate of their own, and it is 0.
    pub fn is_frozen(&self) -> bool {
        self.own_rate && self.lr == 0.0
    }

    /// The last parts of the names, each once: what repeats in every layer is said once.
    pub fn kinds(&self) -> Vec<&str> {
        let mut kinds: Vec<&str> = Vec::new();
        for name in &self.names {
            let kind = name.rsplit('.').next().unwrap_or(name);
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        kinds
    }
}

/// Sorts the parameters of `store` into groups of equal learning rate and weight decay. What the
/// last of `by_name` that matches says comes first, then what the layer asks for, then `lr` and
/// `weight_decay`. Groups come in the order in which the model first needs them.
///
/// # Errors
/// If a rate or decay is negative or not finite, naming the parameter, or no parameter has a name
/// of `by_name`.
pub fn group_parameters(
    store: &ParamStore,
    lr: f64,
    weight_decay: f64,
    by_name: &[GroupConfig],
) -> Result<Vec<Group>> {
    let names: Vec<&str> = store.parameters().map(|(name, ..)| name).collect();
    by_name.iter().try_for_each(|g| g.names.check("train.groups", &names))?;
    let mut groups: Vec<Group> = Vec::new();
    for (name, tensor, hyper) in store.parameters() {
        let named = by_name.iter().rev().find(|group| group.names.matches(name));
        let named_lr = named.and_then(|group| if group.frozen { Some(0.0) } else { group.lr });
        let own_lr = named_lr.or(hyper.lr);
        let own_rate = own_lr.is_some();
        let lr = own_lr.unwrap_or(lr);
        let own_decay = named.and_then(|group| group.weight_decay).or(hyper.weight_decay);
        let weight_decay = own_decay.unwrap_or(weight_decay);
        for (what, value) in [("learning rate", lr), ("weight decay", weight_decay)] {
            ensure!(
                value.is_finite() && value >= 0.0,
                "the {what} of parameter {name} is {value}; it must be a number of at least 0"
            );
        }
        let at = groups
            .iter()
            .position(|g| g.lr == lr && g.weight_decay == weight_decay)
            .unwrap_or_else(|| {
                groups.push(Group { lr, weight_decay, names: vec![], scalars: 0, own_rate });
                groups.len() - 1
            });
        groups[at].names.push(name.to_owned());
        groups[at].scalars += tensor.numel();
        // Where a layer's own rate happens to be the global one, the group is the global one.
        groups[at].own_rate &= own_rate;
    }
    Ok(groups)
}

/// The groups as a few lines for the start of a run: a forgotten bias in the decayed group, or an
/// SSM matrix at the global rate, is seen at a glance.
#[derive(Debug, Clone, Copy)]
pub struct Summary<'a>(pub &'a [Group]);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = |keep: &dyn Fn(&Group) -> bool| {
            let kept = self.0.iter().filter(|g| keep(g));
            kept.fold((0, 0), |(t, s), g| (t + g.names.len(), s + g.scalars))
        };
        let rows = [
            ("decayed", total(&|g| !g.is_frozen() && g.weight_decay > 0.0)),
            ("undecayed", total(&|g| !g.is_frozen() && g.weight_decay == 0.0)),
            ("frozen", total(&Group::is_frozen)),
        ];
        let mut first = true;
        for (what, (tensors, scalars)) in rows {
            if tensors > 0 || what != "frozen" {
                let gap = if first { "" } else { "\n" };
                write!(f, "{gap}{what:<9} {}", amount(tensors, scalars))?;
                first = false;
            }
        }
        for g in self.0 {
            let amount = amount(g.names.len(), g.scalars);
            let (lr, decay) = (g.lr, g.weight_decay);
            let note = match (g.is_frozen(), g.own_rate) {
                (true, _) => format!("  frozen: {}", g.kinds().join(", ")),
                (false, true) => format!("  own rate: {}", g.kinds().join(", ")),
                (false, false) => String::new(),
            };
            write!(f, "\n  lr {lr:<8} weight decay {decay:<6} {amount}{note}")?;
        }
        Ok(())
    }
}

fn amount(tensors: usize, scalars: usize) -> String {
    let plural = if tensors == 1 { " " } else { "s" };
    format!("{tensors:>5} tensor{plural} {:>12} scalars", HumanCount(scalars as u64).to_string())
}
