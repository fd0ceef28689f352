//! Batches, threads, and what goes wrong.

mod support;

use s4_stream::{Engine, Model, Precision};
use support::Shape;

fn shape() -> Shape {
    Shape { pool: Some(vec![2, 3]), d_model: 24, n_layers: 2, d_state: 8, levels: 18 }
}

fn model() -> Model {
    Model::new(&shape().config(), &shape().weights(0)).unwrap()
}

/// One of each kind.
fn models() -> Vec<Model> {
    let others =
        support::baselines().into_iter().chain([support::looking_back(), support::clusters()]);
    let others = others.map(|(config, weights)| Model::new(&config, &weights).unwrap());
    std::iter::once(model()).chain(others).collect()
}

/// Logits of `steps` steps; sequence s has the codes s, 2 s, 3 s, ….
fn run(engine: &mut Engine, first: usize, steps: usize) -> Vec<Vec<f32>> {
    let code = |sequence, step| ((first + sequence) * (step + 1) % 18) as u32;
    (0..steps)
        .map(|step| {
            let codes: Vec<u32> = (0..engine.batch()).map(|s| code(s, step)).collect();
            engine.step(&codes).unwrap().to_vec()
        })
        .collect()
}

#[test]
fn sequences_do_not_depend_on_what_is_beside_them() {
    let sizes = [(2, 1), (3, 2), (7, 1), (7, 3)];
    let models = models();
    let cases =
        models.iter().flat_map(|model| sizes.map(|(batch, threads)| (model, batch, threads)));
    for (model, batch, threads) in cases {
        let levels = model.outputs();
        let together = run(&mut model.engine_on(batch, threads).unwrap(), 0, 40);
        for sequence in 0..batch {
            let alone = run(&mut model.engine_on(1, 1).unwrap(), sequence, 40);
            for (alone, together) in alone.iter().zip(&together) {
                let own = &together[sequence * levels..][..levels];
                for (a, b) in alone.iter().zip(own) {
                    assert!((a - b).abs() < 1e-4, "{a}, {b}: {batch} on {threads}");
                }
            }
        }
    }
}

#[test]
fn threads_and_fresh_starts_change_nothing() {
    for model in models() {
        let expected = run(&mut model.engine_on(8, 1).unwrap(), 0, 40);
        let mut engine = model.engine_on(8, 2).unwrap();
        assert_eq!(run(&mut engine, 0, 40), expected);
        assert_ne!(run(&mut engine, 0, 40), expected, "there is a state");
        // In the midst of a group of pooled positions, or of a frame.
        run(&mut engine, 0, 5);
        engine.reset();
        assert_eq!(run(&mut engine, 0, 40), expected);
    }
}

#[test]
fn rounded_weights_are_a_model_of_its_own() {
    // What codes contribute to SampleRNN's input stays as it is.
    for (model, share) in models().iter().zip([0.8, 0.8, 1.0]) {
        rounded(model, share);
    }
}

fn rounded(model: &Model, share: f64) {
    let expected = run(&mut model.engine_on(3, 2).unwrap(), 0, 40);
    let rounded = model.clone().int16();
    assert_eq!((model.precision(), rounded.precision()), (Precision::Float32, Precision::Int16));
    assert!(rounded.bytes_per_sample() < share * model.bytes_per_sample());
    assert_eq!(run(&mut model.engine_on(3, 2).unwrap(), 0, 40), expected, "copies stay");

    let found = run(&mut rounded.engine_on(3, 2).unwrap(), 0, 40);
    assert_ne!(found, expected);
    for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
        assert!((found - expected).abs() < 1e-3, "{found}, {expected}");
    }
    let twice = rounded.clone().int16();
    assert_eq!(run(&mut twice.engine_on(3, 2).unwrap(), 0, 40), found);
}

#[test]
fn a_beginning_can_be_continued_in_several_ways() {
    models().iter().for_each(continued);
}

fn continued(model: &Model) {
    let levels = model.outputs();
    let mut begun = model.engine(1).unwrap();
    // In the midst of a group of pooled positions.
    run(&mut begun, 3, 17);
    let together = run(&mut begun.repeat(3).unwrap(), 0, 20);
    for sequence in 0..3 {
        let mut begun = model.engine(1).unwrap();
        run(&mut begun, 3, 17);
        for (alone, together) in run(&mut begun, sequence, 20).iter().zip(&together) {
            let own = &together[sequence * levels..][..levels];
            assert!(alone.iter().zip(own).all(|(a, b)| (a - b).abs() < 1e-4));
        }
    }
    assert!(begun.repeat(0).is_err());
    let error = model.engine(2).unwrap().repeat(2).unwrap_err();
    assert!(error.to_string().contains("has 2"), "{error:#}");
}

#[test]
fn outputs_know_the_past_and_not_the_future() {
    let model = model();
    let mut engine = model.engine_on(1, 1).unwrap();
    let logits = |engine: &mut Engine, changed: usize| -> Vec<Vec<f32>> {
        engine.reset();
        (0..30)
            .map(|step| engine.step(&[if step == changed { 9 } else { 3 }]).unwrap().to_vec())
            .collect()
    };
    let (one, other) = (logits(&mut engine, 7), logits(&mut engine, 30));
    assert_eq!(one[..7], other[..7]);
    for step in 7..30 {
        assert_ne!(one[step], other[step], "step {step}");
    }
}

#[test]
fn wrong_codes_are_refused_and_change_nothing() {
    let model = model();
    let mut engine = model.engine(2).unwrap();
    let expected = run(&mut model.engine(2).unwrap(), 0, 5);
    assert!(engine.step(&[1]).unwrap_err().to_string().contains("2 sequences"));
    assert!(engine.step(&[1, 18]).unwrap_err().to_string().contains("below 18"));
    assert_eq!(run(&mut engine, 0, 5), expected);
    assert!(model.engine(0).is_err());
    assert!(model.engine_on(2, 0).is_err());
    assert!(model.engine_on(2, 3).is_err());
}

#[test]
fn another_models_weights_are_refused() {
    let error = |shape: &Shape, change: &dyn Fn(&mut Shape)| {
        let mut other = shape.clone();
        change(&mut other);
        format!("{:#}", Model::new(&other.config(), &shape.weights(0)).unwrap_err())
    };
    let shape = shape();
    assert!(error(&shape, &|s| s.n_layers = 1).contains("not part of the configured model"));
    assert!(error(&shape, &|s| s.n_layers = 3).contains("is missing"));
    assert!(error(&shape, &|s| s.d_model = 25).contains("expected [codes, 25]"));
    assert!(error(&shape, &|s| s.d_state = 10).contains("expected [1, 96, 5, 2]"));
    assert!(error(&shape, &|s| s.pool = Some(vec![2, 4])).contains("expected"));
    let cut = &shape.weights(0)[..1000];
    assert!(format!("{:#}", Model::new(&shape.config(), cut).unwrap_err()).contains("damaged"));
}

#[test]
fn any_backbone_predicts_codes_or_classifies() {
    for pool in [Some(vec![2, 3]), None] {
        let shape = Shape { pool, ..shape() };
        let (config, weights) = (shape.config(), shape.weights(0));
        let next = Model::new(&config, &weights).unwrap();
        let next = run(&mut next.engine(1).unwrap(), 3, 40);
        let classify = |pooling: &str| {
            let config = config.replace("[model]", &format!("[model]\npooling = \"{pooling}\""));
            let model = Model::new_classifier(&config, &weights).unwrap();
            run(&mut model.engine(1).unwrap(), 3, 40)
        };
        assert_eq!(classify("last"), next);
        // The decoder is affine: the logits of the mean are the mean of the logits.
        let mean = |k: usize| next.iter().map(|logits| logits[k]).sum::<f32>() / 40.0;
        for (k, found) in classify("mean")[39].iter().enumerate() {
            assert!((found - mean(k)).abs() < 1e-5, "{found}, {}", mean(k));
        }
    }
}

/// Older configurations name no backbone: each kind of run has its own.
#[test]
fn runs_of_the_other_kind_are_refused() {
    let (sashimi, stack) = (shape(), Shape { pool: None, ..shape() });
    let config = sashimi.config().replace("backbone = \"sashimi\"\n", "");
    Model::new(&config, &sashimi.weights(0)).unwrap();
    let error = Model::new_classifier(&config, &sashimi.weights(0)).unwrap_err();
    let expected = "model.pool means nothing to model.backbone = \"s4\"";
    assert!(format!("{error:#}").contains(expected), "{error:#}");

    let config = stack.config().replace("backbone = \"s4\"\n", "norm = \"layer\"\n");
    Model::new_classifier(&config, &stack.weights(0)).unwrap();
    let error = Model::new(&config, &stack.weights(0)).unwrap_err();
    let expected = "model.norm means nothing to model.backbone = \"sashimi\"";
    assert!(format!("{error:#}").contains(expected), "{error:#}");

    let error = Model::new("[diffusion]\nsteps = 50", &sashimi.weights(0)).unwrap_err();
    assert!(format!("{error:#}").contains("of diffusion"), "{error:#}");
}

#[test]
fn files_that_are_not_there_are_named() {
    let nowhere = std::path::Path::new("no-such-folder/config.toml");
    let error = Model::load(nowhere, nowhere).unwrap_err();
    assert!(error.to_string().contains("no-such-folder/config.toml"), "{error:#}");
}

/// Sizes of the tensors of a state of [`shape`] between two groups, for one sequence.
const STATE: [usize; 6] = [96 * 8, 96 * 8, 48 * 3, 48 * 8, 48 * 8, 24 * 2];

/// A state of `batch` sequences: sequence s has numbers of its own.
fn state(batch: usize, first: usize) -> Vec<Vec<f32>> {
    let number = |tensor: usize, sequence: usize, i: usize| {
        ((tensor * 31 + (first + sequence) * 17 + i * 7) % 23) as f32 / 23.0 - 0.5
    };
    // The blocks of the finest resolution come last.
    let sizes = STATE.iter().chain([&(24 * 8), &(24 * 8)]).enumerate();
    sizes
        .map(|(tensor, &size)| {
            let row = |sequence| (0..size).map(move |i| number(tensor, sequence, i));
            (0..batch).flat_map(row).collect()
        })
        .collect()
}

#[test]
fn states_go_to_their_sequences() {
    let model = model();
    let levels = model.outputs();
    let mut engine = model.engine_on(3, 2).unwrap();
    run(&mut engine, 0, 4);
    engine.load_state(12, &state(3, 0)).unwrap();
    let together = run(&mut engine, 0, 20);
    for sequence in 0..3 {
        let mut engine = model.engine(1).unwrap();
        engine.load_state(12, &state(1, sequence)).unwrap();
        for (alone, together) in run(&mut engine, sequence, 20).iter().zip(&together) {
            let own = &together[sequence * levels..][..levels];
            assert!(alone.iter().zip(own).all(|(a, b)| (a - b).abs() < 1e-4));
        }
    }
    // Nothing is left of what was before.
    let mut fresh = model.engine_on(3, 2).unwrap();
    let zeros: Vec<Vec<f32>> = state(3, 0).iter().map(|tensor| vec![0.0; tensor.len()]).collect();
    engine.load_state(0, &zeros).unwrap();
    assert_eq!(run(&mut engine, 0, 20), run(&mut fresh, 0, 20));
}

#[test]
fn wrong_states_are_refused_and_change_nothing() {
    let model = model();
    let mut engine = model.engine_on(2, 2).unwrap();
    let mut expected = model.engine_on(2, 2).unwrap();
    run(&mut engine, 0, 5);
    run(&mut expected, 0, 5);
    let mut error = |position, change: &dyn Fn(&mut Vec<Vec<f32>>)| {
        let mut state = state(2, 0);
        change(&mut state);
        engine.load_state(position, &state).unwrap_err().to_string()
    };
    assert!(error(6, &|s| s[3].truncate(7)).contains("tensor 3 of the state, of an S4 layer"));
    assert!(error(6, &|s| s.truncate(5)).contains("has 5 tensors"));
    assert!(error(6, &|s| s.push(vec![])).contains("has 9 tensors"));
    // In the midst of a group a vector waits.
    assert!(error(7, &|_| ()).contains("waits to be pooled"));
    assert_eq!(run(&mut engine, 0, 5), run(&mut expected, 0, 5));
}
