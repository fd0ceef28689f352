//! Changes of inputs that are found with the model's help, within a budget: the smallest that mislead it.
//!
//! All are untargeted, and all perturbations of values are bounded in L∞: pictures by ε in units of
//! [0, 1], sound and series by the SNR that a perturbation of that size everywhere has, so that none is
//! louder. An attack of an example ends with its first success. Beside each stands a control: a random
//! perturbation of the same size.

mod apgd;
mod ball;
mod budget;
mod classifier;
mod control;
mod fgsm;
mod hotflip;
mod loss;
mod outcome;
mod pgd;
pub mod sanity;
mod search;
mod square;
mod victim;

use std::sync::{PoisonError, RwLock};

use anyhow::{Result, anyhow, ensure};
use tch::Tensor;
use transformations::content::Kind;

pub use apgd::{Apgd, checkpoints};
pub use ball::Ball;
pub use budget::Budget;
pub use classifier::Attackable;
pub use control::{Flips, Signs};
pub use fgsm::Fgsm;
pub use hotflip::HotFlip;
pub use loss::Loss;
pub use outcome::{Outcome, Share};
pub use pgd::Pgd;
pub use square::{Square, share};
pub use victim::{Domain, Inputs, Model, Victim};

/// A way to mislead a model.
pub trait Attack: Sync {
    /// Its name in suites and reports, in kebab-case.
    fn name(&self) -> &'static str;

    /// What it does, in half a line.
    fn about(&self) -> &'static str;

    /// What it can be used on.
    fn kinds(&self) -> &'static [Kind];

    /// Steps, or queries, where the suite gives no number; `None` where there is nothing to choose.
    fn steps(&self) -> Option<usize> {
        None
    }

    /// What it costs in forward passes.
    fn passes(&self, steps: usize) -> usize;

    /// Classes that it needs.
    fn min_classes(&self) -> usize {
        2
    }

    /// Whether it follows gradients.
    fn uses_gradients(&self) -> bool {
        true
    }

    /// What stands beside it: a random change of the same size.
    fn control(&self) -> &'static dyn Attack {
        &Signs
    }

    /// Inputs within the budget of the victim.
    ///
    /// # Errors
    /// If the budget is of another kind, or the model fails.
    fn run(&self, victim: &Victim<'_>) -> Result<Attacked>;
}

/// What an attack found.
#[derive(Debug)]
pub struct Attacked {
    /// The inputs, in the form and units of [`Inputs::x`].
    pub x: Tensor,
    /// Of each example, whether its first gradient was zero everywhere; `None` where none was taken.
    pub flat: Option<Vec<bool>>,
}

/// What attacks of values are for.
const VALUES: &[Kind] = &[Kind::Picture, Kind::Path, Kind::Sound, Kind::Series];

/// All attacks, in the order in which they are listed. To add one: a file, and a line here.
pub const ALL: &[&dyn Attack] =
    &[&Fgsm, &Pgd, &Apgd(Loss::CrossEntropy), &Apgd(Loss::Dlr), &Square, &HotFlip];

/// Those of other crates.
static OTHERS: RwLock<Vec<&'static dyn Attack>> = RwLock::new(Vec::new());

/// Adds an attack of another crate; from then on it is found by its name.
///
/// # Errors
/// If there is one of that name.
pub fn register(attack: &'static dyn Attack) -> Result<()> {
    let name = attack.name();
    let is_new = Kind::ALL.into_iter().all(|kind| of_kind(kind).all(|other| other.name() != name));
    ensure!(is_new, "there is an attack `{name}` already");
    OTHERS.write().unwrap_or_else(PoisonError::into_inner).push(attack);
    Ok(())
}

/// Those of `kind`.
pub fn of_kind(kind: Kind) -> impl Iterator<Item = &'static dyn Attack> {
    let others = OTHERS.read().unwrap_or_else(PoisonError::into_inner);
    let all: Vec<&'static dyn Attack> = ALL.iter().chain(&*others).copied().collect();
    all.into_iter().filter(move |attack| attack.kinds().contains(&kind))
}

/// The attack called `name`, of `kind`.
///
/// # Errors
/// If there is none; the message has the names that there are.
pub fn find(name: &str, kind: Kind) -> Result<&'static dyn Attack> {
    of_kind(kind).find(|attack| attack.name() == name).ok_or_else(|| {
        let names: Vec<_> = of_kind(kind).map(|attack| attack.name()).collect();
        let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        anyhow!("there is no attack `{name}` on {kind}; there are: {there}")
    })
}
