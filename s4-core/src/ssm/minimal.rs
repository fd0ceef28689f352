//! The parameters of the official stand-alone S4D layer (`models/s4/s4d.py`): no B, log-stored
//! Re A, positive Im A, zero-order hold.
//!
//! `C` (H, N/2, 2), `log_dt` (H), `log_A_real` (H, N/2), `A_imag` (H, N/2).

use anyhow::{Result, ensure};
use s4_config::Discretisation;
use tch::{Kind, Tensor};

use super::Ssm;
use super::init;
use crate::params::{Hyper, Scope};

/// The trained tensors of H minimal S4D systems.
#[derive(Debug)]
pub struct MinimalParameters {
    c: Tensor,
    log_dt: Tensor,
    log_a_real: Tensor,
    a_imag: Tensor,
}

impl MinimalParameters {
    /// Registers S4D-Lin parameters for H = `d_model` systems of N = `d_state` states:
    /// A_n = -1/2 + iπn, Δ log-uniform in [`dt_min`, `dt_max`]; Δ and A train at `lr` without
    /// decay.
    ///
    /// # Errors
    /// If `d_state` is odd or the step sizes are not 0 < dt_min <= dt_max.
    pub fn new(
        scope: &mut Scope,
        d_model: i64,
        d_state: i64,
        (dt_min, dt_max): (f64, f64),
        lr: Option<f64>,
    ) -> Result<Self> {
        ensure!(d_state >= 2 && d_state % 2 == 0, "d_state must be even, got {d_state}");
        ensure!(0.0 < dt_min && dt_min <= dt_max, "0 < dt_min <= dt_max is needed");
        let half = d_state / 2;
        let cpu = (Kind::Double, tch::Device::Cpu);
        let log_dt = Tensor::rand([d_model], cpu) * (dt_max.ln() - dt_min.ln()) + dt_min.ln();
        let c = init::initial_c(1, d_model, half).squeeze_dim(0);
        let a_imag = Tensor::arange(half, cpu) * std::f64::consts::PI;
        let hyper = Hyper { lr, weight_decay: Some(0.0) };
        Ok(Self {
            c: scope.parameter("C", &c.view_as_real(), Hyper::GLOBAL)?,
            log_dt: scope.parameter("log_dt", &log_dt, hyper)?,
            log_a_real: scope.parameter(
                "log_A_real",
                &Tensor::full([d_model, half], 0.5f64.ln(), cpu),
                hyper,
            )?,
            a_imag: scope.parameter("A_imag", &a_imag.expand([d_model, half], true), hyper)?,
        })
    }

    /// Number of real states N.
    pub fn states(&self) -> i64 {
        2 * self.a_imag.size()[1]
    }

    /// Floating point kind of the parameters.
    pub fn kind(&self) -> Kind {
        self.c.kind()
    }

    /// Step sizes Δ, (H, 1), float64.
    pub fn dt(&self) -> Tensor {
        self.log_dt.to_kind(Kind::Double).exp().unsqueeze(-1)
    }

    /// Re A, (H, N/2), float64, negative.
    pub fn a_real(&self) -> Tensor {
        -self.log_a_real.to_kind(Kind::Double).exp()
    }

    /// The continuous-time systems, with steps of `rate`·Δ.
    pub fn ssm(&self, rate: f64) -> Ssm {
        let a = Tensor::complex(&self.a_real(), &self.a_imag.to_kind(Kind::Double));
        Ssm {
            dt: self.dt() * rate,
            b: a.ones_like(),
            c: self.c.to_kind(Kind::Double).view_as_complex().unsqueeze(0),
            p: None,
            disc: Discretisation::Zoh,
            c_tilde_length: None,
            a,
        }
    }
}
