//! The baselines: what they may look at, what padding does to them, and that their ways to compute
//! one thing agree.

use models::Network;
use models::backbone::attention::{self, Attention};
use models::backbone::baseline::Baseline;
use models::backbone::dilated::Dilated;
use models::backbone::heads::Heads;
use models::backbone::linear_attention::{self, LinearAttention};
use models::backbone::recurrent::Recurrent;
use models::backbone::rnn::Cell;
use parity::seeded;
use s4_config::{
    AttentionConfig, Backbone, DilatedConfig, Input, NetworkConfig, Output, RecurrentConfig, Shape,
};
use s4_core::layer::linear::DenseKind;
use s4_core::layer::{Pass, SequenceLayer};
use s4_core::params::ParamStore;
use s4_core::recurrence::StepMode;
use tch::{Device, Kind, Tensor};

const BASELINES: [Backbone; 5] = [
    Backbone::Transformer,
    Backbone::LinearAttention,
    Backbone::Lstm,
    Backbone::Gru,
    Backbone::Dilated,
];
const WIDTH: i64 = 8;
const CLASSES: i64 = 3;
/// More than a chunk of linear attention, and not a multiple.
const LENGTH: i64 = 150;
const CPU: (Kind, Device) = (Kind::Double, Device::Cpu);

fn config(backbone: Backbone, bidirectional: bool) -> NetworkConfig {
    let mut config = NetworkConfig {
        backbone: Some(backbone),
        d_model: Some(WIDTH),
        n_layers: Some(2),
        ..NetworkConfig::default()
    };
    let attention = AttentionConfig { heads: 2, expand: 2, bidirectional };
    match backbone {
        Backbone::S4 | Backbone::Sashimi => config.layer.bidirectional = bidirectional,
        Backbone::WaveNet | Backbone::SampleRnn | Backbone::StackedRnn | Backbone::Resnext => {}
        Backbone::Transformer | Backbone::LinearAttention => config.attention = Some(attention),
        Backbone::Lstm | Backbone::Gru => {
            config.recurrent = Some(RecurrentConfig { bidirectional });
        }
        Backbone::Dilated => {
            let dilated = config.dilated.insert(DilatedConfig::default());
            dilated.bidirectional = bidirectional;
            dilated.dilations = vec![2, 5];
        }
    }
    config
}

fn model(backbone: Backbone, bidirectional: bool) -> (ParamStore, Network) {
    let mut store = ParamStore::new(Device::Cpu, Kind::Double);
    let shape = Shape { input: Input::Values { features: 2 }, output: Output::Classes(CLASSES) };
    let config = config(backbone, bidirectional);
    let model = seeded(7, || Network::new(&mut store.root(), &config, shape)).unwrap();
    (store, model)
}

fn normal(shape: &[i64]) -> Tensor {
    parity::normal(8, shape, Kind::Double)
}

fn both_ways() -> impl Iterator<Item = (Backbone, bool)> {
    BASELINES.into_iter().flat_map(|backbone| [(backbone, false), (backbone, true)])
}

fn difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    (a - b).abs().max().double_value(&[])
}

/// How much the outputs (B, H, L) differ at each position.
fn differences(a: &Tensor, b: &Tensor) -> Vec<f64> {
    let by_position = (a - b).abs().amax([0i64, 1].as_slice(), false);
    Vec::<f64>::try_from(by_position).unwrap()
}

#[test]
fn scores_and_gradients_are_finite_and_reach_every_parameter() {
    for (backbone, bidirectional) in both_ways() {
        let (store, model) = model(backbone, bidirectional);
        let x = normal(&[3, LENGTH, 2]);
        let scores = model.forward(&x, &Pass::train()).unwrap();
        assert_eq!(scores.size(), [3, CLASSES]);
        let labels = Tensor::from_slice(&[0i64, 1, 2]);
        scores.cross_entropy_for_logits(&labels).backward();
        for (name, parameter, _) in store.parameters() {
            let gradient = parameter.grad();
            assert!(gradient.defined(), "{backbone:?}: {name} has no gradient");
            let size = gradient.abs().max().double_value(&[]);
            assert!(size.is_finite() && size > 0.0, "{backbone:?}: {name}: {size}");
        }
    }
}

#[test]
fn what_stands_behind_the_end_has_no_effect() {
    for (backbone, bidirectional) in both_ways() {
        let (_, model) = model(backbone, bidirectional);
        let lengths = [LENGTH, 97, 1];
        let pass = |lengths: &[i64]| Pass::eval().with_lengths(Some(Tensor::from_slice(lengths)));
        let mut x = normal(&[3, LENGTH, 2]);
        let clean = model.forward(&x, &pass(&lengths)).unwrap();
        for (row, &length) in lengths.iter().enumerate() {
            let alone = x.narrow(0, row as i64, 1).narrow(1, 0, length);
            let alone = model.forward(&alone, &Pass::eval()).unwrap();
            let padded = clean.narrow(0, row as i64, 1);
            assert!(difference(&alone, &padded) < 1e-9, "{backbone:?}, {length} of {LENGTH}");
            let padding = x.narrow(0, row as i64, 1).narrow(1, length, LENGTH - length);
            let garbage = if row == 1 { 1e3 } else { f64::NAN };
            let _ = padding.shallow_clone().fill_(garbage);
        }
        x = x.set_requires_grad(true);
        let dirty = model.forward(&x, &pass(&lengths)).unwrap();
        assert!(difference(&clean, &dirty) < 1e-9, "{backbone:?}, bidirectional: {bidirectional}");
        dirty.sum(Kind::Double).backward();
        let reached = x.grad().narrow(0, 1, 1).narrow(1, 97, LENGTH - 97).abs().max();
        assert_eq!(reached.double_value(&[]), 0.0, "{backbone:?}");
    }
}

#[test]
fn causal_models_do_not_look_ahead_and_bidirectional_ones_do() {
    const CHANGED: usize = 70;
    for (backbone, bidirectional) in both_ways() {
        let (_, model) = model(backbone, bidirectional);
        let x = normal(&[2, WIDTH, LENGTH]);
        let other = x.copy();
        let _ = other.narrow(2, CHANGED as i64, 1).g_add_scalar_(1.0);
        let run = |x: &Tensor| model.backbone().forward(x, &Pass::eval()).unwrap();
        let changes = differences(&run(&x), &run(&other));
        let before = changes[..CHANGED].iter().copied().fold(0.0, f64::max);
        if bidirectional {
            assert!(before > 1e-6, "{backbone:?} does not see what is ahead");
        } else {
            assert!(before < 1e-12, "{backbone:?} looks ahead: {before:.1e}");
        }
        assert!(changes[CHANGED] > 1e-6, "{backbone:?} does not see its own input");
        assert!(changes[CHANGED + 2..].iter().any(|&c| c > 1e-6), "{backbone:?} forgets at once");
    }
}

#[test]
fn whole_sequences_pieces_and_steps_are_one_function() {
    for backbone in BASELINES.into_iter().chain([Backbone::S4]) {
        let (_, model) = model(backbone, false);
        let stack = model.backbone();
        let _guard = tch::no_grad_guard();
        let x = normal(&[2, WIDTH, LENGTH]);
        let whole = stack.forward(&x, &Pass::eval()).unwrap();

        let mut state = stack.default_state(2).unwrap();
        let mut pieces = Vec::new();
        for piece in x.split_with_sizes([65, 1, 80, 4], 2) {
            let (y, next) = stack.forward_with_state(&piece, &state, &Pass::eval()).unwrap();
            pieces.push(y);
            state = next;
        }
        let error = difference(&whole, &Tensor::cat(&pieces, 2));
        assert!(error < 1e-9, "{backbone:?} in pieces: {error:.1e}");

        let stepper = stack.stepper(StepMode::Linear, 1.0).unwrap();
        let mut after = stack.default_state(2).unwrap();
        let mut steps = Vec::new();
        for input in x.unbind(2) {
            let (y, next) = stepper.step(&input, &after);
            steps.push(y);
            after = next;
        }
        let error = difference(&whole, &Tensor::stack(&steps, 2));
        assert!(error < 1e-9, "{backbone:?} in steps: {error:.1e}");
        for (a, b) in state.iter().zip(&after) {
            assert!(difference(a, b) < 1e-9, "{backbone:?}: the final states differ");
        }
    }
}

#[test]
fn a_bidirectional_layer_and_a_wrong_state_are_refused() {
    for backbone in BASELINES {
        let (_, both) = model(backbone, true);
        let stack = both.backbone();
        let error = stack.default_state(1).unwrap_err().to_string();
        assert!(error.contains("bidirectional"), "{error}");
        assert!(stack.stepper(StepMode::Linear, 1.0).is_err());
        let (_, causal) = model(backbone, false);
        let x = Tensor::zeros([1, WIDTH, 4], CPU);
        let error = causal.backbone().forward_with_state(&x, &vec![], &Pass::eval()).unwrap_err();
        assert!(error.to_string().contains("2 states"), "{error}");
        let narrow = Tensor::zeros([1, WIDTH - 1, 4], CPU);
        let error = causal.backbone().forward(&narrow, &Pass::eval()).unwrap_err().to_string();
        assert!(error.contains("expected sequences (batch, 8, length)"), "{error}");
    }
}

#[test]
fn another_sampling_rate_is_for_s4_only() {
    let x = normal(&[1, 20, 2]);
    let pass = || Pass { rate: 2.0, ..Pass::eval() };
    for backbone in BASELINES {
        let error = model(backbone, false).1.forward(&x, &pass()).unwrap_err().to_string();
        assert!(error.contains("only S4") && error.contains(backbone.key()), "{error}");
    }
    assert!(model(Backbone::S4, false).1.forward(&x, &pass()).is_ok());
}

/// Queries, keys and values of the layer called `layers.0` for x, by its parameters.
fn projected(store: &ParamStore, x: &Tensor) -> [Tensor; 3] {
    let get = |name: &str| store.get(&format!("model.layers.0.layer.in_proj.{name}")).unwrap();
    let all = x.transpose(1, 2).matmul(&get("weight").transpose(0, 1)) + get("bias");
    let heads = |x: &Tensor| x.unflatten(2, [2, WIDTH / 2]).transpose(1, 2);
    [0, 1, 2].map(|i| heads(&all.narrow(2, i * WIDTH, WIDTH)))
}

#[test]
fn attention_and_linear_attention_are_their_literal_forms() {
    for backbone in [Backbone::Transformer, Backbone::LinearAttention] {
        let naive = match backbone {
            Backbone::Transformer => attention::naive,
            _ => linear_attention::naive,
        };
        for bidirectional in [false, true] {
            let settings = config(backbone, bidirectional);
            let mut store = ParamStore::new(Device::Cpu, Kind::Double);
            let mut root = store.root();
            let mut scope = root.sub("model.layers.0.layer");
            let attention = settings.attention.unwrap();
            let heads = seeded(3, || Heads::new(&mut scope, WIDTH, &attention)).unwrap();
            let layer: Box<dyn SequenceLayer> = match backbone {
                Backbone::Transformer => Box::new(Baseline(Attention(heads))),
                _ => Box::new(Baseline(LinearAttention(heads))),
            };
            let lengths = Tensor::from_slice(&[LENGTH, 33]);
            let x = normal(&[2, WIDTH, LENGTH]);
            let x = s4_core::layer::mask::zero_padding(&x, &lengths);
            let pass = Pass::eval().with_lengths(Some(lengths.shallow_clone()));
            let fast = layer.forward(&x, &pass).unwrap();

            let [queries, keys, values] = projected(&store, &x);
            let positions = Tensor::arange(LENGTH, (Kind::Int64, Device::Cpu));
            let valid = positions.lt_tensor(&lengths.view([2, 1, 1, 1])); // (B, 1, 1, S)
            let past = positions.unsqueeze(1).ge_tensor(&positions); // (L, S)
            let seen = if bidirectional { valid } else { valid.logical_and(&past) };
            let y = naive(&queries, &keys, &values, &seen).transpose(1, 2).flatten(2, 3);
            let get = |name: &str| store.get(&format!("model.layers.0.layer.{name}")).unwrap();
            let y = y.matmul(&get("out_proj.weight").transpose(0, 1)) + get("out_proj.bias");
            let y = y.transpose(1, 2);
            for (row, length) in [(0, LENGTH), (1, 33)] {
                let row = |y: &Tensor| y.select(0, row).narrow(1, 0, length);
                let error = difference(&row(&fast), &row(&y));
                assert!(error < 1e-10, "{backbone:?}, bidirectional: {bidirectional}: {error:.1e}");
            }
        }
    }
}

/// With the same weights both ways, and a map that adds what they give, it is all the same from
/// which end a sequence is read.
#[test]
fn the_reverse_recurrence_begins_at_the_end() {
    for cell in [Cell::Lstm, Cell::Gru] {
        let mut store = ParamStore::new(Device::Cpu, Kind::Double);
        let settings = RecurrentConfig { bidirectional: true };
        let recurrent = seeded(5, || Recurrent::new(&mut store.root(), WIDTH, cell, &settings));
        let layer = Baseline(recurrent.unwrap());
        let dict = store.state_dict();
        for name in ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"] {
            let mut reverse = dict.get(&format!("{name}_reverse")).unwrap().shallow_clone();
            reverse.copy_(dict.get(name).unwrap());
        }
        let map = dict.get("output_linear.weight").unwrap();
        map.narrow(1, WIDTH, WIDTH).copy_(&map.narrow(1, 0, WIDTH));
        let x = normal(&[1, WIDTH, 40]);
        let run = |x: &Tensor| layer.forward(x, &Pass::eval()).unwrap();
        assert!(difference(&run(&x), &run(&x.flip([2])).flip([2])) < 1e-12, "{cell:?}");
    }
}

/// In both ways to call a layer. The recurrence of a causal LSTM or GRU is no linear map of positions.
#[test]
fn linear_maps_multiply_in_the_kind_that_is_asked_for() {
    let settings = AttentionConfig { heads: 2, ..AttentionConfig::default() };
    let both = RecurrentConfig { bidirectional: true };
    let mut store = ParamStore::new(Device::Cpu, Kind::Double);
    let mut root = store.root();
    let (attention, linear, lstm, convolution) = seeded(11, || {
        let mut heads = |name: &str| Heads::new(&mut root.sub(name), WIDTH, &settings).unwrap();
        let attention = Baseline(Attention(heads("attention")));
        let linear = Baseline(LinearAttention(heads("linear")));
        let lstm = Recurrent::new(&mut root.sub("lstm"), WIDTH, Cell::Lstm, &both).unwrap();
        let taps = DilatedConfig::default();
        let convolution = Dilated::new(&mut root.sub("conv"), WIDTH, 0, &taps).unwrap();
        (attention, linear, Baseline(lstm), Baseline(convolution))
    });
    let layers: [&dyn SequenceLayer; 4] = [&attention, &linear, &lstm, &convolution];

    let x = normal(&[2, WIDTH, LENGTH]);
    let rounded = Pass { dense: DenseKind::Bfloat16, ..Pass::eval() };
    let about_but_not = |a: &Tensor, b: &Tensor, layer: &dyn SequenceLayer| {
        assert_eq!(a.kind(), b.kind(), "{layer:?}");
        let error = difference(a, b);
        assert!(error > 1e-6 && error < 0.05, "{layer:?}: {error:.1e}");
    };
    for layer in layers {
        let exact = layer.forward(&x, &Pass::eval()).unwrap();
        about_but_not(&layer.forward(&x, &rounded).unwrap(), &exact, layer);
        if let Ok(state) = layer.default_state(2) {
            let (y, _) = layer.forward_with_state(&x, &state, &rounded).unwrap();
            about_but_not(&y, &exact, layer);
        }
    }
}

#[test]
fn parameters_are_counted_by_hand() {
    let h = WIDTH;
    let frame = 2 * h + h + CLASSES * h + CLASSES; // encoder and decoder
    let norm = 2 * h;
    let attention = 4 * h * h + 4 * h;
    let ff = 2 * (2 * h * h) + 2 * h + h;
    let recurrence = |gates| gates * (2 * h * h + 2 * h);
    let convolution = 3 * 2 * h * h + 2 * h + h * h + h;
    for (backbone, a_layer) in [
        (Backbone::Transformer, attention + ff + 2 * norm),
        (Backbone::LinearAttention, attention + ff + 2 * norm),
        (Backbone::Lstm, recurrence(4) + norm),
        (Backbone::Gru, recurrence(3) + norm),
        (Backbone::Dilated, convolution + norm),
    ] {
        let (store, _) = model(backbone, false);
        assert_eq!(store.num_parameters() as i64, frame + 2 * a_layer, "{backbone:?}");
    }
    let (store, _) = model(Backbone::Lstm, true);
    let both = 2 * recurrence(4) + 2 * h * h + h + norm;
    assert_eq!(store.num_parameters() as i64, frame + 2 * both);
}

#[test]
fn positions_are_told_apart_by_their_sinusoids() {
    let x = models::positions::add_positions(&Tensor::zeros([1, 5, 300], CPU), 0);
    assert_eq!(x.size(), [1, 5, 300]);
    for (channel, position) in [(0, 0), (1, 0), (2, 7), (3, 7), (4, 299)] {
        let angle = f64::from(position) / 10_000f64.powf(f64::from(channel / 2 * 2) / 5.0);
        let expected = if channel % 2 == 0 { angle.sin() } else { angle.cos() };
        let error = x.double_value(&[0, channel.into(), position.into()]) - expected;
        assert!(error.abs() < 1e-4, "channel {channel}, position {position}: {error:.1e}");
    }
    // Without them, attention over all positions could not tell their order.
    for backbone in [Backbone::Transformer, Backbone::LinearAttention] {
        let (_, model) = model(backbone, true);
        let x = normal(&[1, 20, 2]);
        let run = |x: &Tensor| model.forward(x, &Pass::eval()).unwrap();
        assert!(difference(&run(&x), &run(&x.flip([1]))) > 1e-6, "{backbone:?}");
    }
}
