//! `model.recompute` changes what training keeps, and nothing that it computes.

use anyhow::Result;
use parity::seeded;
use s4_core::state_dict::StateDict;
use sashimi::data::batch::CodeBatch;
use sashimi::experiment::Preset;
use sashimi::objective::NextCode;
use tch::Device;
use training::objective::Objective;

const TINY: [&str; 8] = [
    "model.d_model=8",
    "model.n_layers=2",
    "model.pool=[2, 2]",
    "model.layer.ssm.d_state=4",
    "model.dropout=0.2",
    "data.sample_rate=8000",
    "data.bits=4",
    "preview.count=0",
];

/// Loss and gradients of one training step.
fn step(more: &[&str]) -> Result<StateDict> {
    let overrides: Vec<String> = TINY.iter().chain(more).map(|&s| s.to_owned()).collect();
    let experiment = Preset::find("small")?.load(&overrides)?.value;
    let mut model = seeded(1, || NextCode::new(&experiment, Device::Cpu))?;
    let codes = |seed: usize, len: usize| (0..len).map(|i| (i * i * seed % 16) as u16).collect();
    let batch = model.upload(&CodeBatch::new(&[codes(3, 37), codes(5, 30)]))?;
    let output = seeded(7, || model.train_step(&batch, &|loss| Ok(loss.f_backward()?)))?;
    let gradients = model.params().parameters().map(|(name, p, _)| (name.to_owned(), p.grad()));
    Ok(gradients.chain([("loss".to_owned(), output.loss.detach())]).collect())
}

/// The same loss to the bit; gradients too, but for the order in which libtorch sums some of them.
fn assert_same(settings: &[&str]) -> Result<()> {
    let kept = step(settings)?;
    let recomputed = step(&[settings, &["model.recompute=true"]].concat())?;
    for (name, expected) in kept.iter() {
        let found = recomputed.get(name).unwrap();
        let error = (found - expected).abs().max().double_value(&[]);
        let scale = expected.abs().max().double_value(&[]);
        let tolerance = if name == "loss" { 0.0 } else { 1e-5 * scale };
        assert!(error <= tolerance, "{settings:?}: {name} is off by {error:e} of {scale:e}");
    }
    assert!(kept.len() > 20, "{} tensors", kept.len());
    Ok(())
}

#[test]
fn whole_sequences_train_alike() -> Result<()> {
    assert_same(&[])?;
    assert_same(&["model.unet=true", "model.tie_dropout=false"])?;
    assert_same(&["model.variant=\"audio\""])
}

#[test]
fn segments_train_alike() -> Result<()> {
    assert_same(&["data.segment=8"])
}
