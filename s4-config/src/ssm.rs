//! The state space model inside a layer.

use anyhow::{Result, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use smart_default::SmartDefault;

use crate::check_sizes;
use crate::init::{Init, InitArgs};

/// The SSM inside a layer.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SsmConfig {
    /// `s4` (diagonal plus low rank) or `s4d` (diagonal).
    #[default(Mode::S4)]
    pub mode: Mode,
    /// State size N, even; with `is_real` the number of real states.
    #[default(64)]
    pub d_state: i64,
    /// Number of (A, B) pairs that the channels share; one per channel where it is missing.
    pub n_ssm: Option<i64>,
    /// Initial (A, B, P): `legs`, `fourier`, `hippo`, `diag-lin`, `diag-inv`, `diag-legs`, ….
    pub init: Init,
    /// Details of the initialisation.
    pub init_args: InitArgs,
    /// Rank of the low-rank term of S4.
    #[default(1)]
    pub rank: i64,
    /// Smallest initial step size.
    #[default(1e-3)]
    pub dt_min: f64,
    /// Largest initial step size.
    #[default(1e-1)]
    pub dt_max: f64,
    /// One step size per channel rather than one per state.
    #[default(true)]
    pub dt_tie: bool,
    /// How the positive step size is stored.
    pub dt_transform: Transform,
    /// Stores the step size under a further asinh.
    pub dt_fast: bool,
    /// How -Re A is stored; `none` leaves its sign free (not Hurwitz).
    pub real_transform: Transform,
    /// How -Im A is stored.
    #[default(Transform::None)]
    pub imag_transform: Transform,
    /// Discretisation of S4D; S4 is always bilinear.
    #[default(Discretisation::Zoh)]
    pub disc: Discretisation,
    /// Drops states that oscillate faster than this share of the Nyquist frequency (S4ND).
    pub bandlimit: Option<f64>,
    /// S4D with real A, B, C: exponential moving averages.
    pub is_real: bool,
    /// Learning rate of Δ, A, B, P and C, or a table of those of `dt`, `A` and `B`. Default: the global
    /// rate.
    pub lr: Option<SsmRate>,
}

impl SsmConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// With the offending value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        let sizes =
            [("d_state", self.d_state), ("n_ssm", self.n_ssm.unwrap_or(1)), ("rank", self.rank)];
        check_sizes(&sizes)?;
        ensure!(
            self.is_real || self.d_state % 2 == 0,
            "d_state must be even (states come in conjugate pairs), got {}",
            self.d_state
        );
        ensure!(
            0.0 < self.dt_min && self.dt_min <= self.dt_max,
            "0 < dt_min <= dt_max is needed, got {} and {}",
            self.dt_min,
            self.dt_max
        );
        ensure!(!(self.is_real && self.mode == Mode::S4), "is_real needs mode = \"s4d\"");
        Ok(())
    }
}

/// Which matrices A can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    /// Diagonal plus low rank, Λ - P P*: S4.
    #[serde(rename = "s4", alias = "dplr", alias = "nplr")]
    S4,
    /// Diagonal: S4D.
    #[serde(rename = "s4d", alias = "diag")]
    S4d,
}

/// How a positive quantity (Δ, -Re A, -Im A) is stored. Both directions are elementwise,
/// differentiable, and keep shape, kind and device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Transform {
    /// As it is; it may turn negative in training.
    None,
    /// Its logarithm.
    #[default]
    Exp,
    /// As it is, cut off at 0, plus 1e-4.
    Relu,
    /// Its logit: the quantity stays in (0, 1).
    Sigmoid,
    /// log(eˣ - 1).
    Softplus,
}

/// How continuous time becomes steps of length Δ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Discretisation {
    /// Zero-order hold: Ā = exp(ΔA), b̄ = A⁻¹(exp(ΔA) - 1) b.
    Zoh,
    /// Bilinear (Tustin): Ā = (1 - ΔA/2)⁻¹(1 + ΔA/2), b̄ = (1 - ΔA/2)⁻¹ Δb.
    Bilinear,
    /// The softmax-like normalisation of DSS (Gupta 2022), for imported models: it depends on the
    /// kernel's length, so it has no recurrence here.
    Dss,
}

/// Learning rates of Δ, A, B (and P, which follows A) that differ from the global one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum SsmRate {
    /// One rate for Δ, A, B, P and C.
    All(f64),
    /// A rate each; absent means the global rate. C takes the global rate.
    Each(SsmRates),
}

/// Learning rates of single SSM parameters; absent means the global rate.
#[skip_serializing_none]
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SsmRates {
    /// Rate of Δ.
    pub dt: Option<f64>,
    /// Rate of Λ and P.
    #[serde(rename = "A")]
    pub a: Option<f64>,
    /// Rate of B.
    #[serde(rename = "B")]
    pub b: Option<f64>,
}
