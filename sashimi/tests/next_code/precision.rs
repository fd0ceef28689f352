//! `train.precision = "float64"` is the same training in more digits.

use anyhow::Result;
use parity::seeded;
use s4_core::state_dict::StateDict;
use sashimi::data::batch::CodeBatch;
use sashimi::experiment::Preset;
use sashimi::objective::NextCode;
use tch::{Device, Kind, Tensor};
use training::objective::Objective;

/// Loss and gradients of one training step, of this kind.
fn step(precision: &str, variant: &str, kind: Kind) -> Result<StateDict> {
    let settings = [
        format!("train.precision={precision}"),
        format!("model.variant={variant}"),
        "model.d_model=8".to_owned(),
        "model.n_layers=1".to_owned(),
        "model.pool=[2, 2]".to_owned(),
        "model.layer.ssm.d_state=8".to_owned(),
        "model.dropout=0.0".to_owned(),
        "data.rate=8000".to_owned(),
        "data.bits=4".to_owned(),
        "data.segment=16".to_owned(),
    ];
    let experiment = Preset::find("small")?.load(&settings)?.value;
    let mut model = seeded(1, || NextCode::new(&experiment, Device::Cpu))?;
    let codes = |seed: usize, len: usize| (0..len).map(|i| (i * i * seed % 16) as u16).collect();
    let batch = model.upload(&CodeBatch::new(&[codes(3, 37), codes(5, 30)]))?;
    let output = model.train_step(&batch, &|loss| Ok(loss.f_backward()?))?;
    let gradients = model.params().parameters().map(|(name, p, _)| (name.to_owned(), p.grad()));
    let all: StateDict = gradients.chain([("loss".to_owned(), output.loss.detach())]).collect();
    for (name, tensor) in all.iter() {
        assert_eq!(tensor.kind(), kind, "{name}");
    }
    Ok(all)
}

#[test]
fn gradients_agree_to_the_rounding_of_float32() -> Result<()> {
    for variant in ["standalone", "audio"] {
        let single = step("float32", variant, Kind::Float)?;
        let double = step("float64", variant, Kind::Double)?;
        let largest = |t: &Tensor| t.abs().max().double_value(&[]);
        let steepest = double.iter().map(|(_, t)| largest(t)).fold(0.0, f64::max);
        for (name, exact) in double.iter() {
            let error = largest(&(single.get(name).unwrap() - exact));
            // Gradients that cancel to nothing (a bias before a norm) are rounding alone.
            let tolerance = 1e-4 * largest(exact) + 1e-6 * steepest;
            assert!(error <= tolerance, "{variant}: {name} is off by {error:e}");
        }
        let error = largest(&(single.get("loss").unwrap() - double.get("loss").unwrap()));
        assert!(error > 0.0, "{variant}: float64 is float32");
    }
    Ok(())
}
