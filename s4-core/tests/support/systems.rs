//! Random systems and comparisons for the tests that need no official numbers.
#![allow(dead_code)] // each test binary uses its part

use s4_config::{KernelMethod, SsmConfig};

use anyhow::{Context, Result};
use parity::{device, seeded};
use proptest::test_runner::{Config, FileFailurePersistence, RngAlgorithm, TestRng, TestRunner};
use s4_core::conv::{chunked, fft};

use s4_core::params::ParamStore;
use s4_core::recurrence::{Recurrence, StepMode};
use s4_core::ssm::discrete::DiscreteSsm;
use s4_core::ssm::parameters::SsmParameters;
use serde_json::{Value, json};
use tch::{Kind, Tensor};

/// All ways to a kernel.
pub const METHODS: [KernelMethod; 3] =
    [KernelMethod::Naive, KernelMethod::Paper, KernelMethod::BlockPowers];

/// Standard normal values on the tests' device, the same at every run.
pub fn normal(seed: i64, shape: &[i64], kind: Kind) -> Tensor {
    parity::normal(seed, shape, kind).to_device(device())
}

/// A runner of `cases` property test cases, the same at every run.
pub fn runner(cases: u32) -> TestRunner {
    let config = Config {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

/// The largest deviation of `actual` from `expected`, relative to the largest expected value.
pub fn deviation(actual: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(actual.size(), expected.size(), "shapes differ");
    if expected.numel() == 0 {
        return 0.0;
    }
    let real = |t: &Tensor| {
        let t = if t.is_complex() { t.view_as_real() } else { t.shallow_clone() };
        t.detach().to_device(tch::Device::Cpu).to_kind(Kind::Double)
    };
    let (actual, expected) = (real(actual), real(expected));
    let scale = expected.abs().max().double_value(&[]);
    // What is zero in exact arithmetic can only be compared absolutely.
    (&actual - &expected).abs().max().double_value(&[]) / scale.max(1e-5)
}

/// Panics unless the [`deviation`] is at most `tolerance`.
#[track_caller]
pub fn assert_close(what: &str, actual: &Tensor, expected: &Tensor, tolerance: f64) {
    let found = deviation(actual, expected);
    assert!(found <= tolerance, "{what}: deviation {found:.2e}, tolerance {tolerance:.0e}");
}

/// An SSM configuration from JSON settings, the rest as by default.
pub fn ssm_config(settings: &Value) -> SsmConfig {
    serde_json::from_value(settings.clone()).expect("valid settings")
}

/// A name, settings, H, C and rate.
pub type Variant = (&'static str, SsmConfig, i64, i64, f64);

/// Configurations that between them use every part of an SSM.
pub fn variants() -> Vec<Variant> {
    let variant = |name, settings, h, c, rate| (name, ssm_config(&settings), h, c, rate);
    vec![
        variant("s4", json!({"d_state": 8}), 3, 1, 1.0),
        variant("s4, N = 2, H = 1", json!({"d_state": 2}), 1, 1, 1.0),
        variant(
            "s4, rank 2, shared, two outputs",
            json!({"init": "legt", "rank": 2, "d_state": 6, "n_ssm": 1, "dt_transform": "softplus"}),
            4,
            2,
            1.0,
        ),
        variant(
            "s4, fourier, untied, rate 0.5",
            json!({"init": "fourier", "d_state": 8, "dt_tie": false, "imag_transform": "softplus"}),
            2,
            1,
            0.5,
        ),
        variant(
            "s4d, zoh, rate 1.7",
            json!({"mode": "s4d", "init": "diag-lin", "d_state": 8, "real_transform": "softplus"}),
            3,
            1,
            1.7,
        ),
        variant(
            "s4d, zoh, N = 2, H = 1",
            json!({"mode": "s4d", "init": "diag-inv", "d_state": 2}),
            1,
            1,
            1.0,
        ),
        variant(
            "s4d, bilinear, shared, two outputs",
            json!({"mode": "s4d", "init": "diag-inv", "disc": "bilinear", "d_state": 6, "n_ssm": 2}),
            4,
            2,
            1.0,
        ),
        variant(
            "s4d, zoh, untied, dt_fast, relu",
            json!({"mode": "s4d", "init": "diag-legs", "d_state": 8, "dt_tie": false,
                   "dt_fast": true, "real_transform": "relu"}),
            2,
            1,
            2.0,
        ),
        variant(
            "s4d, real",
            json!({"mode": "s4d", "init": "diag-real", "is_real": true, "d_state": 3}),
            2,
            1,
            1.0,
        ),
    ]
}

/// Parameters of `config`, pushed away from their initial values so that none is special.
pub fn system(seed: i64, config: &SsmConfig, h: i64, c: i64) -> (ParamStore, SsmParameters) {
    seeded(seed, || {
        let mut store = ParamStore::new(device(), Kind::Double);
        let parameters = SsmParameters::new(&mut store.root(), h, c, config).expect("a system");
        disturb(&store);
        (store, parameters)
    })
}

/// Adds a little noise to every parameter. Draws from tch's generator.
pub fn disturb(store: &ParamStore) {
    for (_, tensor, _) in store.parameters() {
        let mut alias = tensor.detach();
        let noise = Tensor::randn(tensor.size(), (tensor.kind(), tch::Device::Cpu)) * 0.05;
        let _ = alias.g_add_(&noise.to_device(tensor.device()));
    }
}

/// A way to apply an SSM to a sequence.
#[derive(Debug, Clone, Copy)]
pub enum Way {
    /// One FFT convolution, with the kernel of this method.
    Fft(KernelMethod),
    /// In chunks of this length.
    Chunked(i64),
    /// One step after the other.
    Steps(StepMode),
}

impl Way {
    /// Inputs u (B, H, L) and a state (B, H, N) to outputs (B, C, H, L) and the state after them.
    pub fn apply(
        self,
        parameters: &SsmParameters,
        rate: f64,
        u: &Tensor,
        state: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        let len = *u.size().last().context("u is a scalar")?;
        let ssm = parameters.ssm(rate);
        let discrete = ssm.discretise(len)?;
        match self {
            Way::Fft(method) => {
                let k = ssm.kernel(len, method, u.kind())?;
                let y = fft::causal(u, &k, None)? + fft::state_response(&discrete, state, len);
                Ok((y, fft::final_state(&discrete, state, u)))
            }
            Way::Chunked(chunk) => chunked::convolve(&discrete, u, state, None, chunk),
            Way::Steps(mode) => steps(&discrete, mode, u, state),
        }
    }
}

/// The recurrence over u (B, H, L) from `state` (B, H, N), as [`Way::apply`].
pub fn steps(
    discrete: &DiscreteSsm,
    mode: StepMode,
    u: &Tensor,
    state: &Tensor,
) -> Result<(Tensor, Tensor)> {
    let recurrence = Recurrence::new(discrete, mode, u.kind())?;
    let mut x = recurrence.state_from_real(state);
    let mut outputs = Vec::new();
    for u in u.unbind(-1) {
        let (y, next) = recurrence.step(&u, &x);
        outputs.push(y);
        x = next;
    }
    Ok((Tensor::stack(&outputs, -1), recurrence.state_to_real(&x)))
}
