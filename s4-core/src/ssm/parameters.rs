//! What an SSM layer trains, and under which name.
//!
//! Names, shapes and transforms are the official code's, so that its checkpoints load:
//! `inv_dt` (H, 1) or (H, N/2); `C` (C, H, N/2, 2); `B` (1, S, N/2, 2); `A_real`, `A_imag`
//! (S, N/2); for S4 also `P` (R, S, N/2, 2) and the integer `l_kernel`. S = n_ssm systems are
//! shared by the H channels: channel h uses system h mod S.

use s4_config::{Discretisation, Mode, SsmConfig, SsmRate, Transform};
use std::f64::consts::PI;

use anyhow::{Context, Result, ensure};
use tch::{Device, Kind, Tensor};

use super::discrete::DiscreteSsm;
use super::system::{self, Form, Stored};
use super::{init, transform};

use super::Ssm;
use crate::params::{Hyper, ParamStore, Scope};
use crate::state_dict::StateDict;

/// How Δ, A, B and C are optimised.
fn hyper(config: &SsmConfig) -> (Hyper, Hyper, Hyper, Hyper) {
    let (dt, a, b, c) = match config.lr {
        None => (None, None, None, None),
        Some(SsmRate::All(lr)) => (Some(lr), Some(lr), Some(lr), Some(lr)),
        Some(SsmRate::Each(r)) => (r.dt, r.a, r.b, None),
    };
    let no_decay = |lr| Hyper { lr, weight_decay: Some(0.0) };
    (no_decay(dt), no_decay(a), no_decay(b), Hyper { lr: c, weight_decay: None })
}

/// The trained tensors of H systems with C outputs each.
#[derive(Debug)]
pub struct SsmParameters {
    config: SsmConfig,
    inv_dt: Tensor,
    a_real: Tensor,
    a_imag: Option<Tensor>,
    b: Tensor,
    c: Tensor,
    p: Option<Tensor>,
    l_kernel: Option<Tensor>,
}

impl SsmParameters {
    /// Registers freshly initialised parameters for `d_model` = H systems with `channels` = C
    /// outputs each. Draws from tch's CPU generator.
    ///
    /// # Errors
    /// If the config is contradictory.
    pub fn new(scope: &mut Scope, d_model: i64, channels: i64, config: &SsmConfig) -> Result<Self> {
        config.validate()?;
        let n_ssm = config.n_ssm.unwrap_or(d_model);
        ensure!(
            n_ssm >= 1 && d_model % n_ssm == 0,
            "n_ssm must divide d_model, got {n_ssm} and {d_model}"
        );
        // Real systems have d_state real states instead of d_state / 2 conjugate pairs.
        let n = if config.is_real { 2 * config.d_state } else { config.d_state };
        let initial = init::initial_ssm(&config.init, n, config.rank, n_ssm, &config.init_args)?;
        let inv_dt = init::initial_dt(d_model, n / 2, config)?;
        let c = init::initial_c(channels, d_model, n / 2);

        let (dt_hyper, a_hyper, b_hyper, c_hyper) = hyper(config);
        let stored = |z: &Tensor| if config.is_real { z.real() } else { z.view_as_real() };
        let inv_dt = scope.parameter("inv_dt", &inv_dt, dt_hyper)?;
        let c = scope.parameter("C", &stored(&c), c_hyper)?;
        let b = scope.parameter("B", &stored(&initial.b.unsqueeze(0)), b_hyper)?;
        let a_real = storable(config.real_transform, &-initial.a.real(), "real_transform")?;
        let a_real = scope.parameter("A_real", &a_real, a_hyper)?;
        let a_imag = if config.is_real {
            None
        } else {
            let a_imag = storable(config.imag_transform, &-initial.a.imag(), "imag_transform")?;
            Some(scope.parameter("A_imag", &a_imag, a_hyper)?)
        };
        let (p, l_kernel) = match config.mode {
            Mode::S4d => (None, None),
            Mode::S4 => {
                let zero = Tensor::zeros([], (Kind::Int64, Device::Cpu));
                (
                    Some(scope.parameter("P", &initial.p.view_as_real(), a_hyper)?),
                    Some(scope.buffer("l_kernel", &zero)?),
                )
            }
        };
        let config = config.clone();
        Ok(Self { config, inv_dt, a_real, a_imag, b, c, p, l_kernel })
    }

    /// Number of systems H.
    pub fn d_model(&self) -> i64 {
        self.inv_dt.size()[0]
    }

    /// Whether A has no low-rank part: S4D.
    pub fn is_diagonal(&self) -> bool {
        self.p.is_none()
    }

    /// Number of real states N.
    pub fn states(&self) -> i64 {
        2 * self.a_real.size()[1]
    }

    /// Floating point kind of the parameters.
    pub fn kind(&self) -> Kind {
        self.inv_dt.kind()
    }

    /// Step sizes Δ at rate 1, (H, 1) or (H, N/2), float64.
    pub fn dt(&self) -> Tensor {
        let inv_dt = self.inv_dt.to_kind(Kind::Double);
        let inv_dt = if self.config.dt_fast { inv_dt.sinh() } else { inv_dt };
        transform::forward(self.config.dt_transform, &inv_dt)
    }

    /// Re A, (S, N/2), float64: negative unless `real_transform` is `none`.
    pub fn a_real(&self) -> Tensor {
        -transform::forward(self.config.real_transform, &self.a_real.to_kind(Kind::Double))
    }

    /// The continuous-time systems that the parameters stand for, with steps of `rate`·Δ: a model
    /// trained at one sampling rate runs at half of it with `rate` 2.
    pub fn ssm(&self, rate: f64) -> Ssm {
        let h = self.d_model();
        let dt = self.dt();
        let a_real = self.a_real();
        let a_imag = match &self.a_imag {
            None => a_real.zeros_like(),
            Some(a_imag) => {
                -transform::forward(self.config.imag_transform, &a_imag.to_kind(Kind::Double))
            }
        };
        let a = repeat_to(&Tensor::complex(&a_real, &a_imag), h, 0);
        let c = self.complex(&self.c);
        let c = match self.config.bandlimit {
            None => c,
            Some(limit) => {
                let frequency = &dt * a.imag().abs() / (2.0 * PI);
                c * frequency.lt(limit * 0.5).to_kind(Kind::Double)
            }
        };
        Ssm {
            dt: dt * rate,
            b: repeat_to(&self.complex(&self.b).squeeze_dim(0), h, 0),
            c,
            p: self.p.as_ref().map(|p| repeat_to(&self.complex(p), h, 1)),
            disc: match self.config.mode {
                Mode::S4 => Discretisation::Bilinear,
                Mode::S4d => self.config.disc,
            },
            c_tilde_length: self.c_tilde_length().map(|l| round_half_even(l as f64 / rate)),
            a,
        }
    }

    /// The discrete system for sequences of `len` inputs with steps of `rate`·Δ: that of
    /// [`SsmParameters::ssm`], by a kernel where there is one for it.
    ///
    /// # Errors
    /// If the discretisation does not fit the matrix, or a kernel cannot be started.
    pub fn discrete(&self, rate: f64, len: i64) -> Result<DiscreteSsm> {
        if let Some(discrete) = self.discrete_by_kernel(rate)? {
            return Ok(discrete);
        }
        self.ssm(rate).discretise(len)
    }

    fn discrete_by_kernel(&self, rate: f64) -> Result<Option<DiscreteSsm>> {
        let config = &self.config;
        let (Some(a_imag), None, false) = (&self.a_imag, config.bandlimit, config.is_real) else {
            return Ok(None);
        };
        let zoh = config.mode == Mode::S4d && config.disc == Discretisation::Zoh;
        let is_dss = config.mode == Mode::S4d && config.disc == Discretisation::Dss;
        if is_dss || self.c_tilde_length().is_some() {
            return Ok(None);
        }
        let stored = Stored {
            inv_dt: &self.inv_dt,
            a_real: &self.a_real,
            a_imag,
            b: &self.b,
            c: &self.c,
            p: self.p.as_ref(),
        };
        let form = Form {
            dt_transform: config.dt_transform,
            dt_fast: config.dt_fast,
            real_transform: config.real_transform,
            imag_transform: config.imag_transform,
            zoh,
        };
        system::discretise(&stored, form, rate)
    }

    /// The length for which `C` holds C̃ (see [`Ssm::c_tilde_length`]), in steps at rate 1.
    ///
    /// Imported checkpoints of the official code have one; parameters made here do not.
    pub fn c_tilde_length(&self) -> Option<i64> {
        self.l_kernel.as_ref().map(|l| l.int64_value(&[])).filter(|&l| l > 0)
    }

    /// Replaces C̃ by the C that it stands for, so that any length is as good as another and no
    /// linear system has to be solved on use. The function computed at rate 1 does not change,
    /// except under a `bandlimit`, which masks whatever is stored.
    ///
    /// # Errors
    /// If (1 - Āˡ) is singular.
    pub fn undo_c_tilde(&mut self) -> Result<()> {
        if self.c_tilde_length().is_none() {
            return Ok(());
        }
        let _guard = tch::no_grad_guard();
        let mut ssm = self.ssm(1.0);
        // The stored C, not the band-limited one.
        ssm.c = self.complex(&self.c);
        let c = super::discrete::complex_rows(&(ssm.discretise(1)?.c * 0.5));
        self.set_c(&c, 0);
        Ok(())
    }

    /// Replaces C by C̃ for kernels of length `l`, as the official code does on its first forward
    /// pass; doubles the length if C̃ is there already.
    ///
    /// # Errors
    /// If the parameters are not those of S4 (S4D has no C̃).
    pub fn make_c_tilde(&mut self, l: i64) -> Result<()> {
        ensure!(self.l_kernel.is_some(), "only S4 (diagonal plus low rank) has C̃");
        let _guard = tch::no_grad_guard();
        let mut ssm = self.ssm(1.0);
        ssm.c = self.complex(&self.c);
        let old = ssm.c_tilde_length.take();
        let discrete = ssm.discretise(1)?;
        let (c, l) = match old {
            None => (discrete.c_tilde(l), l),
            Some(old) => {
                // C̃ (1 + Āˡ) = C (1 - Ā²ˡ)
                let advanced = discrete.a.power(old).transposed().apply(&discrete.c);
                (&discrete.c + advanced, 2 * old)
            }
        };
        self.set_c(&super::discrete::complex_rows(&(c * 0.5)), l);
        Ok(())
    }

    /// A layer's tensors `stored` (`C`, `B`, `A_real`, …) with C̃ for kernels of length `l` in place
    /// of C: what the official code has once it has seen such an input.
    ///
    /// # Errors
    /// If the tensors are not those of an S4 layer of this configuration.
    pub fn with_c_tilde(config: &SsmConfig, stored: &StateDict, l: i64) -> Result<StateDict> {
        Self::changed(config, stored, |parameters| parameters.make_c_tilde(l))
    }

    /// A layer's tensors `stored` with C in place of C̃: see [`Self::undo_c_tilde`].
    ///
    /// # Errors
    /// If the tensors are not those of an S4 layer of this configuration, or (1 - Āˡ) is singular.
    pub fn without_c_tilde(config: &SsmConfig, stored: &StateDict) -> Result<StateDict> {
        Self::changed(config, stored, Self::undo_c_tilde)
    }

    fn changed(
        config: &SsmConfig,
        stored: &StateDict,
        change: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<StateDict> {
        let c = stored.get("C").context("the layer has no C")?;
        let mut store = ParamStore::new(Device::Cpu, c.kind());
        let (channels, d_model) = (c.size()[0], c.size()[1]);
        let mut parameters = Self::new(&mut store.root(), d_model, channels, config)?;
        store.load_state_dict(stored)?;
        change(&mut parameters)?;
        Ok(store.state_dict())
    }

    fn set_c(&mut self, c: &Tensor, l_kernel: i64) {
        self.c.detach().copy_(&c.view_as_real().to_kind(self.kind()));
        if let Some(l) = &self.l_kernel {
            let _ = l.detach().fill_(l_kernel);
        }
    }

    /// A stored parameter as complex128.
    fn complex(&self, stored: &Tensor) -> Tensor {
        let stored = stored.to_kind(Kind::Double);
        if self.config.is_real {
            Tensor::complex(&stored, &stored.zeros_like())
        } else {
            stored.view_as_complex()
        }
    }
}

/// `x` under the inverse of a transform, if it is in its range.
fn storable(transform: Transform, x: &Tensor, name: &str) -> Result<Tensor> {
    let stored = transform::inverse(transform, x);
    let finite = stored.isfinite().all().int64_value(&[]) == 1;
    ensure!(
        finite,
        "{name} = {transform:?} cannot hold the initial A of this `init`: it is out of range"
    );
    Ok(stored)
}

/// `x` repeated along `dim` until it has `h` entries: entry h is entry h mod S.
fn repeat_to(x: &Tensor, h: i64, dim: usize) -> Tensor {
    let have = x.size()[dim];
    if have == h {
        return x.shallow_clone();
    }
    let mut repeats = vec![1; x.dim()];
    repeats[dim] = h / have;
    x.repeat(repeats)
}

/// Rounds as the official code does (Python's `round`).
pub(crate) fn round_half_even(x: f64) -> i64 {
    x.round_ties_even() as i64
}
