//! SampleRNN and its baseline against the official code: two chunks in a row, steps, losses, gradients;
//! how sequences are cut into chunks.

use anyhow::{Context, Result, ensure};
use models::backbone::baseline::Baseline;
use models::backbone::samplernn::SampleRnn;
use models::backbone::stacked_rnn::StackedRnn;
use parity::{Case, for_each_case};
use s4_config::{Input, Output, RnnType, SampleRnnConfig, Shape, StackedRnnConfig};
use s4_core::layer::linear::Linear;
use s4_core::layer::{Pass, SequenceLayer, State};
use s4_core::params::{Hyper, ParamStore};
use s4_core::recurrence::StepMode;
use s4_core::state_dict::StateDict;
use serde_json::json;
use tch::{Device, Kind, Reduction, Tensor};

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

fn is_stack(case: &Case) -> bool {
    !case.setting("rnn_type").is_null()
}

fn stacked(kind: Kind) {
    for_each_case("samplernn", |case| {
        if !is_stack(case) {
            return Ok(());
        }
        let mut settings = case.json["settings"].as_object().context("settings")?.clone();
        settings
            .retain(|key, _| !["batch", "L", "d_model", "n_layers", "baseline"].contains(&&**key));
        let config: StackedRnnConfig = serde_json::from_value(settings.into())?;
        let (width, layers) = (case.int("d_model", 0), case.int("n_layers", 0));
        let hidden = config.d_hidden.unwrap_or(width);
        let device = parity::device();
        let mut store = ParamStore::new(device, kind);
        let mut root = store.root();
        // The official baseline of one tier: three more maps.
        let is_baseline = case.flag("baseline", false);
        let model = match is_baseline {
            true => StackedRnn::new(&mut root.sub("rnn"), width, layers, &config)?,
            false => StackedRnn::new(&mut root, width, layers, &config)?,
        };
        let model = Baseline(model);
        let mut maps = Vec::new();
        for i in (1..=3).filter(|_| is_baseline) {
            let mut place = root.sub(format_args!("lin{i}"));
            maps.push(Linear::weight_normed(&mut place, hidden, hidden, Hyper::NO_DECAY)?);
        }
        store
            .load_state_dict(&case.group("sd").into_iter().collect::<StateDict>().to_kind(kind))?;
        let expect = |name: &str, actual: &Tensor| match kind {
            Kind::Double => case.expect_f64(&name.replacen('/', "64/", 1), actual, 1e-8),
            _ => case.expect_f32(name, actual),
        };
        let input = |name: &str| -> Result<Tensor> {
            Ok(case.tensor(&format!("in/{name}"))?.to_device(device).to_kind(kind))
        };
        let run = |name: &str, state: &State| -> Result<(Tensor, State)> {
            let x = input(&format!("x_{name}"))?.transpose(1, 2);
            let (y, next) = model.forward_with_state(&x, state, &Pass::train())?;
            let y = y.transpose(1, 2);
            let y = maps.iter().fold(y, |y, map| map.step(&y).relu());
            expect(&format!("out/y_{name}"), &y)?;
            let parts = if config.rnn_type == RnnType::Lstm { &[".h", ".c"][..] } else { &[""] };
            for (at, vector) in next[0].unbind(1).iter().enumerate() {
                let (layer, part) = (at / parts.len(), parts[at % parts.len()]);
                let key = format!("out/state_{name}.{layer}{part}");
                if case.has(&key.replacen('/', "64/", 1)) {
                    expect(&key, &vector.unsqueeze(0))?;
                }
            }
            Ok((y, next))
        };
        let start = model.default_state(case.int("batch", 2))?;
        let (first, after) = run("a", &start)?;
        // The official baseline of one tier ignores its state.
        let (second, _) = run("b", if is_baseline { &start } else { &after })?;
        let loss = (first * input("w_a")?).sum(kind) + (second * input("w_b")?).sum(kind);
        loss.backward();
        for (name, tensor, _) in store.parameters() {
            expect(&format!("grad/{name}"), &tensor.grad())?;
        }
        Ok(())
    });
}

/// What the official loader cuts, our state and shifted input amount to; officially the rest of a
/// sequence is lost.
#[test]
fn parity_samplernn_chunks() {
    for_each_case("samplernn", |case| {
        let chunk = case.int("chunk_len", 0);
        if chunk == 0 {
            return Ok(());
        }
        let frames = [case.int("overlap_len", 1)];
        let config =
            SampleRnnConfig { frame_sizes: frames.to_vec(), d_hidden: 2, ..Default::default() };
        let vocabulary = 1 << case.int("bits", 8);
        let shape =
            Shape { input: Input::Tokens { vocabulary }, output: Output::PerPosition(vocabulary) };
        let mut store = ParamStore::new(Device::Cpu, Kind::Float);
        let model = SampleRnn::new(&mut store.root(), 2, &config, shape)?;
        let codes = case.tensor("in/codes")?;
        let (batch, len) = codes.size2()?;
        let inputs =
            codes.narrow(1, 0, len - 1).f_pad([1, 0], "constant", vocabulary as f64 / 2.0)?;
        let mut state = model.default_state(batch)?;
        let official = case.json["facts"]["n_chunks"].as_i64().context("n_chunks")?;
        for number in 0..official {
            let at = number * chunk;
            let own = inputs.narrow(1, at, chunk);
            let seen = Tensor::cat(&[&state[0], &own], 1);
            ensure!(seen.equal(&case.tensor(&format!("out/x.{number}"))?), "inputs of {number}");
            let targets = case.tensor(&format!("out/y.{number}"))?;
            ensure!(codes.narrow(1, at, chunk).equal(&targets), "targets of {number}");
            let x = own.unsqueeze(1).to_kind(Kind::Float);
            state = model.forward_with_state(&x, &state, &Pass::eval())?.1;
        }
        let rest = len - official * chunk;
        ensure!(rest > 0, "the official loader loses something of every sequence");
        let x = inputs.narrow(1, len - rest, rest).unsqueeze(1).to_kind(Kind::Float);
        ensure!(model.forward(&x, &Pass::eval())?.size()[2] == rest, "nothing is lost");
        Ok(())
    });
}

#[test]
fn parity_stacked_rnn_float64() {
    stacked(Kind::Double);
}

#[test]
fn parity_stacked_rnn_float32() {
    stacked(Kind::Float);
}

#[test]
fn parity_samplernn_float64() {
    samplernn(Kind::Double);
}

#[test]
fn parity_samplernn_float32() {
    samplernn(Kind::Float);
}
