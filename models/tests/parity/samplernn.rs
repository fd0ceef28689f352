//! SampleRNN against the official code: two chunks in a row, steps, losses, gradients.

use anyhow::{Context, Result, ensure};
use models::backbone::samplernn::SampleRnn;
use parity::{Case, for_each_case};
use s4_config::{Input, Output, SampleRnnConfig, Shape};
use s4_core::layer::{Pass, SequenceLayer, State};
use s4_core::params::ParamStore;
use s4_core::recurrence::StepMode;
use s4_core::state_dict::StateDict;
use serde_json::json;
use tch::{Kind, Reduction, Tensor};

fn config(case: &Case) -> Result<SampleRnnConfig> {
    let mut settings = case.json["settings"].as_object().context("settings")?.clone();
    settings.retain(|key, _| {
        ["learn_h0", "weight_norm", "frame_sizes", "n_rnn", "d_hidden"].contains(&key.as_str())
    });
    settings.insert("embed_frames".to_owned(), json!(!case.flag("reproduce", true)));
    settings.insert("companding".to_owned(), json!(case.text("quantization", "mu-law")));
    Ok(serde_json::from_value(settings.into())?)
}

fn is_network(case: &Case) -> bool {
    !case.setting("frame_sizes").is_null()
}

fn loss(scores: &Tensor, targets: &Tensor) -> Tensor {
    let (scores, targets) = (scores.flatten(0, 1), targets.flatten(0, 1));
    scores.cross_entropy_loss::<Tensor>(&targets, None, Reduction::Mean, -100, 0.0)
}

fn samplernn(kind: Kind) {
    for_each_case("samplernn", |case| {
        if !is_network(case) {
            return Ok(());
        }
        let config = config(case)?;
        let vocabulary = 1 << case.int("bits", 8);
        // The official outputs are 256, whatever the codes.
        let outputs = case.tensor("out64/logits_a")?.size()[2];
        let shape =
            Shape { input: Input::Tokens { vocabulary }, output: Output::PerPosition(outputs) };
        let device = parity::device();
        let mut store = ParamStore::new(device, kind);
        let width = case.int("d_model", 256);
        let model = SampleRnn::new(&mut store.root(), width, &config, shape)?;
        store
            .load_state_dict(&case.group("sd").into_iter().collect::<StateDict>().to_kind(kind))?;
        let expect = |name: &str, actual: &Tensor| match kind {
            Kind::Double => case.expect_f64(&name.replacen('/', "64/", 1), actual, 1e-8),
            _ => case.expect_f32(name, actual),
        };
        // Official chunks begin with what our state holds as the window.
        let (stride, pass) = (model.stride(), Pass::train());
        let chunk = |name: &str| -> Result<(Tensor, Tensor)> {
            let x = case.tensor(&format!("in/x_{name}"))?.to_device(device);
            let window = x.narrow(1, 0, stride - 1);
            Ok((window, x.narrow(1, stride - 1, x.size()[1] - stride + 1)))
        };
        let run = |codes: &Tensor, state: &State| -> Result<(Tensor, State)> {
            let x = codes.unsqueeze(1).to_kind(kind);
            let (y, next) = model.forward_with_state(&x, state, &pass)?;
            Ok((y.transpose(1, 2), next))
        };
        let expect_states = |name: &str, state: &State| -> Result<()> {
            for (i, h) in state[1..].iter().step_by(2).enumerate() {
                expect(&format!("out/state_{name}.{i}"), &h.transpose(0, 1))?;
            }
            Ok(())
        };
        let expect_gradients = |prefix: &str| -> Result<()> {
            for (name, tensor, _) in store.parameters() {
                let key = format!("grad/{prefix}{name}");
                if tensor.grad().defined() {
                    expect(&key, &tensor.grad())?;
                } else {
                    ensure!(!case.has(&key.replacen('/', "64/", 1)), "{key} is missing");
                }
            }
            store.zero_grad();
            Ok(())
        };

        let batch = case.int("batch", 2);
        let (window, codes) = chunk("a")?;
        let start = model.default_state(batch)?;
        ensure!(window.equal(&start[0]), "sequences begin with silence");
        let (y, after) = run(&codes, &start)?;
        expect("out/logits_a", &y)?;
        expect_states("a", &after)?;
        let loss_a = loss(&y, &case.tensor("in/y_a")?.to_device(device));
        expect("out/loss_a", &loss_a)?;
        loss_a.backward();
        expect_gradients("")?;

        let after: State = after.iter().map(Tensor::detach).collect();
        let (window, second) = chunk("b")?;
        ensure!(window.equal(&after[0]), "the window is the end of the chunk before");
        let (y, last) = run(&second, &after)?;
        expect("out/logits_b", &y)?;
        expect_states("b", &last)?;
        let loss_b = loss(&y, &case.tensor("in/y_b")?.to_device(device));
        expect("out/loss_b", &loss_b)?;
        loss_b.backward();
        expect_gradients("b.")?;

        if case.has("out64/logits_b_reset") {
            let mut reset = model.default_state(batch)?;
            reset[0] = window;
            expect("out/logits_b_reset", &run(&second, &reset)?.0)?;
        }

        // Code by code, which officially only some of the networks can do.
        let _guard = tch::no_grad_guard();
        let stepper = model.stepper(StepMode::Linear, 1.0)?;
        let mut state = model.default_state(batch)?;
        for (codes, name) in [(codes, "logits_a"), (second, "logits_b")] {
            let mut steps = Vec::new();
            for code in codes.unbind(1) {
                let y;
                (y, state) = stepper.step(&code.unsqueeze(1).to_kind(kind), &state);
                steps.push(y);
            }
            expect(&format!("out/{name}"), &Tensor::stack(&steps, 1))?;
        }
        Ok(())
    });
}

#[test]
fn parity_samplernn_float64() {
    samplernn(Kind::Double);
}

#[test]
fn parity_samplernn_float32() {
    samplernn(Kind::Float);
}
