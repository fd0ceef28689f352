//! Adapting a pretrained model, the base, to another task: what of it is trained (`train.adapt`).
//!
//! The head is new in every way of adapting, and always trained. What of the base stays as it was is
//! neither optimised nor saved: a checkpoint holds what changed, the run's settings say of which weights
//! ([`InitConfig::hash`]), and `whole` puts the two together.

mod groups;
mod lora;
mod probe;

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Error, Result, bail, ensure};
use program::output::note;
use s4_core::params::{Entry, ParamStore, Role};
use s4_core::state_dict::StateDict;
use serde::Deserialize;
use serde_with::{DeserializeFromStr, SerializeDisplay};
use toml::Table;

use self::groups::Group;
pub(crate) use self::lora::LowRank;
use self::lora::Rank;
use self::probe::ProbeFirst;
use crate::init::InitConfig;

/// Names below which there is what only the task of a model needs; the rest is the base of others.
const HEADS: [&str; 3] = ["decoder.", "forecast.", "pretraining."];

/// Whether the tensor `name` belongs to encoder or backbone.
pub fn is_base(name: &str) -> bool {
    !HEADS.iter().any(|head| name.starts_with(head))
}

/// A way of adapting.
#[derive(Debug, Clone, PartialEq, SerializeDisplay, DeserializeFromStr)]
pub enum Adapt {
    /// Everything is trained.
    Full,
    /// The head alone, on features that stay as they are.
    Probe,
    /// The head alone up to this step (half of all where there is none), then everything (Kumar et al.
    /// 2022).
    ProbeFirst(Option<u64>),
    /// Low-rank changes of linear maps (Hu et al. 2021).
    LowRank(Rank),
    /// Biases.
    Bias,
    /// Parameters of these kinds.
    Groups(Vec<Group>),
}

impl Adapt {
    /// Whether the states that sequences begin in are trained: a network that has none is given them
    /// (`model.learned_state`).
    pub fn learns_states(&self) -> bool {
        matches!(self, Self::Groups(groups) if groups.contains(&Group::State))
    }

    /// Whether the head, which is trained before anything else is, begins with the best one there is for the
    /// base's features (Kumar et al. 2022).
    pub fn begins_with_head(&self) -> bool {
        matches!(self, Self::Probe | Self::ProbeFirst(_))
    }

    /// Whether everything is trained in the end, so that nothing of the base is left.
    fn is_full(&self) -> bool {
        matches!(self, Self::Full | Self::ProbeFirst(_))
    }

    /// Whether this parameter of the base is trained.
    fn trains(&self, name: &str) -> bool {
        match self {
            Self::Full | Self::ProbeFirst(_) => true,
            Self::Probe | Self::LowRank(_) => false,
            Self::Bias => groups::is_bias(name),
            Self::Groups(groups) => groups.iter().any(|group| group.has(name)),
        }
    }
}

impl FromStr for Adapt {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (way, rest) = match text.split_once(':') {
            Some((way, rest)) => (way, Some(rest)),
            None => (text, None),
        };
        Ok(match (way, rest) {
            ("full", None) => Self::Full,
            ("probe", None) => Self::Probe,
            ("bias", None) => Self::Bias,
            ("lp-ft", steps) => {
                let steps = steps.map(str::parse).transpose();
                Self::ProbeFirst(
                    steps.context("lp-ft:STEPS, of the head alone, such as lp-ft:500")?,
                )
            }
            ("lora", rank) => Self::LowRank(rank.map_or(Ok(Rank::default()), str::parse)?),
            ("groups", Some(names)) => {
                Self::Groups(names.split(',').map(str::parse).collect::<Result<_>>()?)
            }
            _ => bail!(
                "there is no way of adapting `{text}`; there are full, probe, lp-ft[:STEPS], \
                 lora[:RANK[:ALPHA]], bias and groups:dt,A,B,C,D,norm,state"
            ),
        })
    }
}

impl fmt::Display for Adapt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("full"),
            Self::Probe => f.write_str("probe"),
            Self::ProbeFirst(None) => f.write_str("lp-ft"),
            Self::ProbeFirst(Some(steps)) => write!(f, "lp-ft:{steps}"),
            Self::LowRank(rank) => write!(f, "lora:{rank}"),
            Self::Bias => f.write_str("bias"),
            Self::Groups(groups) => {
                let names: Vec<String> = groups.iter().map(ToString::to_string).collect();
                write!(f, "groups:{}", names.join(","))
            }
        }
    }
}

/// What a run that adapts does at every step.
#[derive(Debug)]
pub(crate) struct Adapting {
    low_rank: LowRank,
    probe_first: Option<ProbeFirst>,
}

impl Adapting {
    /// Gives the model in `store` the weights of its base, and sets apart what is not trained.
    ///
    /// # Errors
    /// If the base cannot be read, or does not fit.
    pub(crate) fn begin(
        adapt: &Adapt,
        init: &InitConfig,
        store: &mut ParamStore,
        last_step: u64,
        seed: u64,
    ) -> Result<Self> {
        let taken = init.load_those(store, is_base)?;
        let new = |name: &&str| adapt.learns_states() && name.starts_with(groups::STATES);
        let missing = taken.missing.iter().map(String::as_str).filter(|name| is_base(name));
        let missing: Vec<&str> = missing.filter(|name| !new(name)).collect();
        ensure!(
            missing.is_empty(),
            "train.init: {} is another network: it has no {}. Take its [model] over",
            init.from,
            missing.join(", ")
        );
        note(&taken);
        let low_rank = match adapt {
            Adapt::LowRank(rank) => LowRank::register(store, *rank, seed)?,
            _ => LowRank::default(),
        };
        let apart = |entry: &Entry| {
            let is_parameter = matches!(entry.role, Role::Parameter(_));
            // Running statistics follow what is trained in the layers before them.
            let stays =
                if is_parameter { !adapt.trains(&entry.name) } else { *adapt == Adapt::Probe };
            is_base(&entry.name) && stays && !lora::is_factor(&entry.name)
        };
        if !adapt.is_full() {
            store.keep_apart(apart);
        }
        low_rank.want_gradients()?;
        let probe_first = match adapt {
            Adapt::ProbeFirst(steps) => {
                Some(ProbeFirst::new(store, steps.unwrap_or(last_step / 2)))
            }
            _ => None,
        };
        Ok(Self { low_rank, probe_first })
    }

    /// Before the gradients of the step after `step` steps.
    pub(crate) fn before(&self, step: u64) -> Result<()> {
        self.probe_first.as_ref().map_or(Ok(()), |probe| probe.before(step))
    }

    /// Turns gradients of changed weights into those of their changes.
    pub(crate) fn project(&self) -> Result<()> {
        self.low_rank.project()
    }

    /// The weights that follow from what is trained, where that is changed in another place.
    pub(crate) fn low_rank(&self) -> LowRank {
        self.low_rank.shallow_clone()
    }

    /// Gives the model the weights that follow from what is trained.
    pub(crate) fn fold(&self) -> Result<()> {
        self.low_rank.fold()
    }
}

/// What of a run's settings [`whole`] follows from; the rest is passed over.
#[derive(Deserialize)]
struct Settings {
    init: Option<InitConfig>,
    adapt: Option<Adapt>,
}

/// The weights of a plain model, of a checkpoint with these settings (TOML) and weights.
///
/// # Errors
/// If it was adapted from a base that is gone, or has other weights now.
pub(crate) fn whole(config: &str, own: &StateDict) -> Result<StateDict> {
    let plain = || own.iter().map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone()));
    let train = config.parse::<Table>().ok().and_then(|mut table| table.remove("train"));
    let settings = train.and_then(|train| train.try_into().ok());
    let Some(Settings { init: Some(init), adapt: Some(adapt) }) = settings else {
        return Ok(plain().collect());
    };
    if adapt.is_full() {
        return Ok(plain().collect());
    }
    let base = init.weights().context("the base of an adapted run (train.init.from)")?;
    let mut all: StateDict = base
        .iter()
        .filter(|(name, _)| is_base(name))
        .map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone()))
        .collect();
    if let Some((_, of)) = own.iter().find(|(_, tensor)| tensor.is_floating_point()) {
        all = all.to_kind(of.kind());
    }
    for (name, tensor) in plain().filter(|(name, _)| !lora::is_factor(name)) {
        all.insert(name, tensor);
    }
    if let Adapt::LowRank(rank) = adapt {
        lora::add(&mut all, own, rank)?;
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
