//! LoRA (Hu et al. 2021): weights W of linear maps become W + α/r·BA, of which A (r, in) and B (out, r)
//! are trained.
//!
//! The layers know nothing of it. Once a step the sum is written into the weight, and what the backward
//! pass gives as the gradient of the sum is turned into those of A and B. So a model with LoRA costs
//! what the plain one does, is evaluated as one, and becomes one where it is saved as a whole.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Error, Result, ensure};
use s4_core::autograd::set_gradient;
use s4_core::params::{Hyper, ParamStore, Role};
use s4_core::state_dict::StateDict;
use tch::{Device, Kind, Tensor};

use super::is_base;
use crate::seed::seed_torch;

const A: &str = ".lora_A";
const B: &str = ".lora_B";
const WEIGHT: &str = ".weight";

/// How large changes are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rank {
    /// r, at least 1.
    rank: i64,
    /// α, above 0.
    alpha: f64,
}

impl Default for Rank {
    fn default() -> Self {
        Self { rank: 8, alpha: 16.0 }
    }
}

impl Rank {
    fn scale(self) -> f64 {
        self.alpha / self.rank as f64
    }
}

impl FromStr for Rank {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let form = || format!("lora:{text}: expected lora:RANK or lora:RANK:ALPHA, as lora:8:16");
        let (rank, alpha) = text.split_once(':').map_or((text, None), |(rank, a)| (rank, Some(a)));
        let rank: i64 = rank.parse().with_context(form)?;
        let alpha = alpha.map_or(Ok(2.0 * rank as f64), str::parse).with_context(form)?;
        ensure!(rank > 0 && alpha > 0.0 && alpha.is_finite(), "{}; both above 0", form());
        Ok(Self { rank, alpha })
    }
}

impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.rank, self.alpha)
    }
}

/// The weights that are changed.
#[derive(Debug, Default)]
pub(crate) struct LowRank(Vec<Change>);

#[derive(Debug)]
struct Change {
    /// What the layer reads, (out, in, …).
    weight: Tensor,
    /// W, as it was.
    base: Tensor,
    a: Tensor,
    b: Tensor,
    scale: f64,
}

/// Whether `name` is that of an A or B.
pub(super) fn is_factor(name: &str) -> bool {
    name.ends_with(A) || name.ends_with(B)
}

impl LowRank {
    /// Registers factors for every linear map of the backbone: A uniform in ±1/√in, B zero, so that
    /// nothing is changed at first.
    pub(super) fn register(store: &mut ParamStore, rank: Rank, seed: u64) -> Result<Self> {
        seed_torch(seed, "low rank", 0);
        let weights: Vec<(String, Tensor)> = store
            .entries()
            .iter()
            .filter(|e| matches!(e.role, Role::Parameter(_)) && e.tensor.dim() >= 2)
            .filter(|e| is_base(&e.name) && !e.name.starts_with("encoder."))
            .filter_map(|e| {
                Some((e.name.strip_suffix(WEIGHT)?.to_owned(), e.tensor.shallow_clone()))
            })
            .collect();
        ensure!(!weights.is_empty(), "the backbone has no linear maps for LoRA to change");
        let mut changes = Vec::new();
        for (name, weight) in weights {
            let (output, input) = (weight.size()[0], weight.numel() as i64 / weight.size()[0]);
            let cpu = (Kind::Float, Device::Cpu);
            let bound = 1.0 / (input as f64).sqrt();
            let a = Tensor::rand([rank.rank, input], cpu) * (2.0 * bound) - bound;
            let b = Tensor::zeros([output, rank.rank], cpu);
            let mut scope = store.root();
            changes.push(Change {
                a: scope.parameter(&format!("{name}{A}"), &a, Hyper::GLOBAL)?,
                b: scope.parameter(&format!("{name}{B}"), &b, Hyper::GLOBAL)?,
                base: weight.detach().copy(),
                weight,
                scale: rank.scale(),
            });
        }
        Ok(Self(changes))
    }

    /// Lets the backward pass reach the weights, which are not trained themselves.
    pub(super) fn want_gradients(&self) -> Result<()> {
        for change in &self.0 {
            let _ = change.weight.f_set_requires_grad(true)?;
        }
        Ok(())
    }

    /// The same tensors.
    pub(super) fn shallow_clone(&self) -> Self {
        let each = self.0.iter().map(|change| Change {
            weight: change.weight.shallow_clone(),
            base: change.base.shallow_clone(),
            a: change.a.shallow_clone(),
            b: change.b.shallow_clone(),
            scale: change.scale,
        });
        Self(each.collect())
    }

    /// Writes W + α/r·BA into the weights.
    pub(crate) fn fold(&self) -> Result<()> {
        let _guard = tch::no_grad_guard();
        for Change { weight, base, a, b, scale } in &self.0 {
            weight.detach().f_copy_(&folded(base, a, b, *scale)?)?;
        }
        Ok(())
    }

    /// With G the gradient of the sum: α/r·BᵀG is that of A, α/r·GAᵀ that of B.
    pub(super) fn project(&self) -> Result<()> {
        let _guard = tch::no_grad_guard();
        for Change { weight, a, b, scale, .. } in &self.0 {
            let gradient = weight.grad();
            if gradient.defined() {
                let gradient = gradient.f_flatten(1, -1)? * *scale;
                set_gradient(a, Some(&b.f_transpose(0, 1)?.f_mm(&gradient)?));
                set_gradient(b, Some(&gradient.f_mm(&a.f_transpose(0, 1)?)?));
                set_gradient(weight, None);
            }
        }
        Ok(())
    }
}

/// Adds the changes in `own` to the weights in `all`.
pub(super) fn add(all: &mut StateDict, own: &StateDict, rank: Rank) -> Result<()> {
    for (name, a) in own.iter() {
        let Some(name) = name.strip_suffix(A) else { continue };
        let b = own.get(&format!("{name}{B}")).with_context(|| format!("{name}{B} is missing"))?;
        let weight = format!("{name}{WEIGHT}");
        let base = all.get(&weight).with_context(|| format!("the base has no {weight}"))?;
        let sum = folded(base, a, b, rank.scale())?;
        all.insert(weight, sum);
    }
    Ok(())
}

/// W + scale·BA.
fn folded(base: &Tensor, a: &Tensor, b: &Tensor, scale: f64) -> Result<Tensor> {
    Ok(base.f_add(&b.f_mm(a)?.f_mul_scalar(scale)?.f_view_as(base)?)?)
}
