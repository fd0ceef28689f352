//! `train.precision = "float64"` is the same training in more digits.

use anyhow::Result;
use datasets::batch::{Batch, Labels, Sequences};
use datasets::shape::{Shape, Target};
use datasets::tasks;
use lra_bench::experiment::{Experiment, Preset};
use lra_bench::objective::Supervised;
use parity::seeded;
use s4_config::Input;
use s4_core::state_dict::StateDict;
use tch::{Device, Kind};
use training::objective::Objective;

const LENGTH: usize = 50;

/// Loss and gradients of one training step of `mixer`, of this kind.
fn step(mixer: &str, precision: &str, kind: Kind) -> Result<StateDict> {
    let settings = [
        format!("model.mixer={mixer}"),
        format!("train.precision={precision}"),
        "model.d_model=8".to_owned(),
        "model.n_layers=2".to_owned(),
        "model.dropout=0.0".to_owned(),
        "model.layer.ssm.d_state=8".to_owned(),
    ];
    let experiment = Experiment::preset(tasks::find("smnist")?, Preset::Small, &settings)?.value;
    let shape = Shape { input: Input::Values { features: 1 }, target: Target::numbered(3) };
    let mut model = seeded(1, || Supervised::new(&experiment, &shape, Device::Cpu))?;
    let batch = model.upload(&Batch {
        sequences: Sequences::Bytes((0..4 * LENGTH).map(|i| (i * i * 7 % 256) as u8).collect()),
        length: LENGTH,
        lengths: None,
        labels: Labels::Classes(vec![0, 1, 2, 1]),
    })?;
    let output = model.train_step(&batch, &|loss| Ok(loss.f_backward()?))?;
    let gradients = model.params().parameters().map(|(name, p, _)| (name.to_owned(), p.grad()));
    let all: StateDict = gradients.chain([("loss".to_owned(), output.loss.detach())]).collect();
    for (name, tensor) in all.iter() {
        assert_eq!(tensor.kind(), kind, "{mixer}: {name}");
    }
    Ok(all)
}

#[test]
fn gradients_agree_to_the_rounding_of_float32() -> Result<()> {
    for mixer in ["s4", "transformer", "linear-attention", "lstm", "gru", "convolution"] {
        let single = step(mixer, "float32", Kind::Float)?;
        let double = step(mixer, "float64", Kind::Double)?;
        let largest = |t: &tch::Tensor| t.abs().max().double_value(&[]);
        let steepest = double.iter().map(|(_, t)| largest(t)).fold(0.0, f64::max);
        let mut rounded = false;
        for (name, exact) in double.iter() {
            let error = largest(&(single.get(name).unwrap() - exact));
            let scale = largest(exact);
            // Gradients that cancel to nothing (a bias before a norm) are rounding alone.
            assert!(
                error <= 1e-4 * scale + 1e-6 * steepest,
                "{mixer}: {name} is off by {error:e} of {scale:e}"
            );
            rounded |= error > 0.0;
        }
        assert!(rounded, "{mixer}: float64 is float32");
    }
    Ok(())
}
