//! The S4 block against the official code: outputs and every gradient.

use anyhow::{Context, Result};
use parity::{Case, for_each_case};
use s4_config::{FinalAct, KernelMethod, Mode, S4BlockConfig};

use s4_core::layer::dropout::Dropout;
use s4_core::layer::s4_block::S4Block;
use s4_core::layer::s4_block::Systems;
use s4_core::layer::{Pass, SequenceLayer};
use s4_core::params::ParamStore;

use tch::{Kind, Tensor};

use crate::case::{
    expect_gradient, expect_gradients, expect_output, input, ssm_config, state_dict,
};

/// Settings that do not describe the SSM itself.
const OTHER: &[&str] = &[
    "d_model",
    "L",
    "batch",
    "perturbed",
    "channels",
    "l_max",
    "mode",
    "bidirectional",
    "rate",
    "transposed",
    "lengths",
    "final_act",
    "activation",
    "dropout",
    "tie_dropout",
];

fn config(case: &Case) -> Result<S4BlockConfig> {
    let mode = if case.text("mode", "dplr") == "dplr" { Mode::S4 } else { Mode::S4d };
    let final_act: FinalAct = match case.setting("final_act") {
        serde_json::Value::Null => S4BlockConfig::default().final_act,
        value => serde_json::from_value(value.clone()).context("final_act")?,
    };
    let activation = match case.setting("activation") {
        serde_json::Value::Null => S4BlockConfig::default().activation,
        value => serde_json::from_value(value.clone()).context("activation")?,
    };
    Ok(S4BlockConfig {
        bidirectional: case.flag("bidirectional", false),
        channels: case.int("channels", 1),
        l_max: case.setting("l_max").as_i64(),
        activation,
        final_act,
        ssm: ssm_config(case, mode, OTHER)?,
        ..S4BlockConfig::default()
    })
}

fn block(kind: Kind, method: KernelMethod) {
    for_each_case("block", |case| {
        let mut store = ParamStore::new(parity::device(), kind);
        let none = Dropout { p: 0.0, tied: true };
        let mut block =
            S4Block::new(&mut store.root(), case.int("d_model", 0), &config(case)?, none)?;
        store.load_state_dict(&state_dict(case, "sd", kind))?;
        if let Some(l_kernel) = case.json["facts"]["l_kernel"].as_i64()
            && let Systems::Full(params) = block.systems()
        {
            params.make_c_tilde(l_kernel)?;
            if kind == Kind::Double {
                let c = store.get("layer.kernel.C").context("C")?;
                case.expect_f64("mid/C_tilde", c, 1e-8)?;
            }
        }
        // Ours is (B, H, L); `transposed` false means that the official run was (B, L, H).
        let swapped = !case.flag("transposed", true);
        let orient = |t: Tensor| if swapped { t.transpose(1, 2) } else { t };
        let x = input(case, "x", kind)?.set_requires_grad(true);
        let lengths =
            if case.has("in/lengths") { Some(input(case, "lengths", kind)?) } else { None };
        let pass = Pass { rate: case.real("rate", 1.0), kernel: method, ..Pass::eval() }
            .with_lengths(lengths);
        let y = orient(block.forward(&orient(x.shallow_clone()), &pass)?);
        expect_output(case, "y", &y, 1e-8)?;
        (y * input(case, "grad_weight", kind)?).sum(kind).backward();
        expect_gradient(case, "x", &x.grad(), kind, 1e-8)?;
        expect_gradients(case, &store, 1e-8)
    });
}

#[test]
fn parity_block_float64() {
    block(Kind::Double, KernelMethod::BlockPowers);
}

#[test]
fn parity_block_float64_by_the_papers_kernels() {
    block(Kind::Double, KernelMethod::Paper);
}

#[test]
fn parity_block_float32() {
    block(Kind::Float, KernelMethod::BlockPowers);
}
