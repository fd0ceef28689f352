//! WaveNet against the official code: outputs of whole sequences and of steps, loss, gradients.

use anyhow::Context;
use models::backbone::baseline::Baseline;
use models::backbone::wavenet::WaveNet;
use parity::for_each_case;
use s4_config::WaveNetConfig;
use s4_core::layer::{Pass, SequenceLayer};
use s4_core::params::ParamStore;
use s4_core::recurrence::StepMode;
use s4_core::state_dict::StateDict;
use tch::{Kind, Reduction, Tensor};

fn wavenet(kind: Kind) {
    for_each_case("wavenet", |case| {
        let mut settings = case.json["settings"].as_object().context("settings")?.clone();
        settings.retain(|key, _| !["classes", "batch", "L"].contains(&key.as_str()));
        let config: WaveNetConfig = serde_json::from_value(settings.into())?;
        let field = config.receptive_field();
        assert_eq!(Some(field), case.json["facts"]["receptive_field"].as_i64());
        let device = parity::device();
        let mut store = ParamStore::new(device, kind);
        let model = WaveNet::new(&mut store.root(), case.int("classes", 256), &config)?;
        let model = Baseline(model);
        store
            .load_state_dict(&case.group("sd").into_iter().collect::<StateDict>().to_kind(kind))?;
        let expect = |name: &str, actual: &Tensor| match kind {
            Kind::Double => case.expect_f64(&name.replacen('/', "64/", 1), actual, 1e-8),
            _ => case.expect_f32(name, actual),
        };
        let x = case.tensor("in/x")?.to_device(device).to_kind(kind).transpose(1, 2); // (B, H, L)
        let len = x.size()[2];

        let y = model.forward(&x, &Pass::eval())?.transpose(1, 2); // (B, L, H)
        let seen = y.narrow(1, field, len - field);
        expect("out/y", &seen)?;
        // Official steps begin as ours do: with zeros left of every layer.
        expect("out/y_step", &y)?;
        let stepper = model.stepper(StepMode::Linear, 1.0)?;
        let (mut state, mut steps) = (model.default_state(x.size()[0])?, Vec::new());
        for x in x.unbind(2) {
            let y;
            (y, state) = stepper.step(&x, &state);
            steps.push(y);
        }
        expect("out/y_step", &Tensor::stack(&steps, 1))?;

        let target = case.tensor("in/target")?.to_device(device);
        let loss = seen.flatten(0, 1).cross_entropy_loss::<Tensor>(
            &target.flatten(0, 1),
            None,
            Reduction::Mean,
            -100,
            0.0,
        );
        expect("out/loss", &loss)?;
        loss.backward();
        for (name, tensor, _) in store.parameters() {
            if tensor.grad().defined() {
                expect(&format!("grad/{name}"), &tensor.grad())?;
            } else {
                assert!(!case.has(&format!("grad64/{name}")), "{name} has no gradient");
            }
        }
        Ok(())
    });
}

#[test]
fn parity_wavenet_float64() {
    wavenet(Kind::Double);
}

#[test]
fn parity_wavenet_float32() {
    wavenet(Kind::Float);
}
