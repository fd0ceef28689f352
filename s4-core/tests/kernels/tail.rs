//! Kernels behind the convolution of a block, on the CPU, against their twins in tensor operations.

use cuda::host::with_kernels;
use parity::seeded;
use s4_config::{NormKind, S4BlockConfig, StackConfig};
use s4_core::gpu;
use s4_core::layer::dropout::Dropout;
use s4_core::layer::feed_forward::FeedForward;
use s4_core::layer::glu::linear_glu;
use s4_core::layer::linear::{DenseKind, Linear};
use s4_core::layer::norm::Norm;
use s4_core::layer::s4_block::S4Block;
use s4_core::layer::stack::Stack;
use s4_core::layer::{Activations, Pass, SequenceLayer};
use s4_core::params::{Hyper, ParamStore, Scope};
use tch::{Kind, Tensor};

use crate::systems::{deviation, normal};

/// Kinds of activations, each with how far results may be off.
const KINDS: [(Kind, f64); 3] =
    [(Kind::Double, 1e-10), (Kind::Float, 1e-5), (Kind::BFloat16, 2e-2)];

/// (B, H, L): one of each, odd ones, whole packs, several blocks of a row.
const SIZES: [[i64; 3]; 7] =
    [[1, 1, 1], [3, 1, 17], [1, 3, 4097], [3, 3, 64], [3, 64, 17], [2, 64, 24], [1, 2, 20_000]];

type Operation = Box<dyn Fn(&Tensor) -> Tensor>;

/// Checks the operation that `build` makes: its output, the gradients of x (B, H, L) and all
/// parameters, and what is tracked; with kernels, for x in each kind, against those without in
/// float64, from the same rounded x.
fn check(size: [i64; 3], spread: f64, build: impl Fn(&mut Scope) -> Operation) {
    // Norms want channels that differ: where all values are equal the result is all rounding.
    let channels = Tensor::arange(size[1], (Kind::Double, tch::Device::Cpu)).remainder(5);
    let x = normal(1, &size, Kind::Double) * 0.2 + channels.unsqueeze(-1) * spread;
    for (kind, tolerance) in KINDS {
        let x = x.to_kind(kind);
        let sums = if kind == Kind::BFloat16 { Kind::Float } else { kind };
        let found = with_kernels(|| {
            let results = outcome(&gpu::channel_major(&x), sums, &build);
            let y = &results[0].1;
            assert_eq!(y.kind(), kind, "the output has the kind of the input");
            assert!(y.transpose(0, 1).is_contiguous(), "the output is channel-major");
            results
        });
        let expected = outcome(&x.to_kind(Kind::Double), Kind::Double, &build);
        for ((name, found), (_, expected)) in found.iter().zip(&expected) {
            let found = found.to_kind(Kind::Double);
            assert_eq!(found.size(), expected.size());
            if expected.isnan().all().int64_value(&[]) == 1 {
                assert_eq!(found.isnan().all().int64_value(&[]), 1);
                continue;
            }
            // Some gradients are zero but for rounding.
            let scale = expected.abs().max().double_value(&[]).max(0.5);
            let error = (found - expected).abs().max().double_value(&[]) / scale;
            assert!(error < tolerance, "{size:?} {kind:?}, {name}: {error:.1e}");
        }
    }
}

/// The output, the gradients of x and of the parameters, and buffers.
fn outcome(
    x: &Tensor,
    kind: Kind,
    build: &dyn Fn(&mut Scope) -> Operation,
) -> Vec<(String, Tensor)> {
    let x = x.detach().set_requires_grad(true);
    let mut store = ParamStore::new(x.device(), kind);
    let operation = seeded(2, || build(&mut store.root()));
    tch::no_grad(|| {
        for (i, (_, parameter, _)) in store.parameters().enumerate() {
            let values = normal(3 + i as i64, &parameter.size(), Kind::Double);
            parameter.shallow_clone().copy_(&(parameter + values * 0.5));
        }
    });
    // Recomputation sets the generator.
    let y = seeded(9, || {
        let y = operation(&x);
        let weights = Tensor::randn(y.size(), (Kind::Double, tch::Device::Cpu));
        let weights = weights.to_kind(Kind::BFloat16).to_kind(y.kind());
        (&y * weights).sum(y.kind()).backward();
        y
    });
    let mut results = vec![("y".to_owned(), y.detach()), ("x".to_owned(), x.grad())];
    for entry in store.entries() {
        let tensor = &entry.tensor;
        let value = if tensor.requires_grad() { tensor.grad() } else { tensor.shallow_clone() };
        results.push((entry.name.clone(), value));
    }
    results
}

#[test]
fn glu() {
    for size in SIZES {
        check(size, 0.3, |scope| {
            let (h, options) = (size[1], (Kind::Double, tch::Device::Cpu));
            let matrix = Tensor::randn([2 * h + 4, h], options) / (h as f64).sqrt();
            let matrix = scope.parameter("weight", &matrix, Hyper::GLOBAL).unwrap();
            let bias = Tensor::zeros([2 * h + 4], options);
            let bias = scope.parameter("bias", &bias, Hyper::GLOBAL).unwrap();
            Box::new(move |x| linear_glu(x, &matrix, &bias))
        });
    }
}

fn norm(kind: NormKind, size: [i64; 3], apply: fn(&Norm, &Tensor) -> Tensor) {
    check(size, 2.0, |scope| {
        let norm = Norm::new(scope, kind, size[1], Hyper::GLOBAL).unwrap();
        Box::new(move |x| apply(&norm, x))
    });
}

#[test]
fn batch_norm() {
    for size in SIZES {
        norm(NormKind::Batch, size, |norm, x| norm.forward(x, true));
        norm(NormKind::Batch, size, |norm, x| norm.forward(x, false));
        norm(NormKind::Batch, size, Norm::forward_again);
        norm(NormKind::Batch, size, |norm, x| {
            let _ = norm.forward(&(x + 1.0), true);
            norm.forward(x, true)
        });
    }
}

#[test]
fn layer_norm() {
    for size in SIZES.into_iter().chain([[1, 300, 70]]) {
        norm(NormKind::Layer, size, |norm, x| norm.forward(x, true));
    }
}

#[test]
fn scalar_norm() {
    // One channel has no variance, and two have none now and then.
    for size in SIZES.into_iter().filter(|size| size[1] > 2).chain([[1, 300, 70]]) {
        norm(NormKind::Scalar, size, |norm, x| norm.forward(x, true));
    }
}

#[test]
fn linear_maps() {
    for size in SIZES {
        for build in [Linear::new, Linear::weight_normed] {
            // Of one input only the sign of the direction counts.
            let size = [size[0], size[1].max(2), size[2]];
            check(size, 0.3, |scope| {
                let linear = build(scope, size[1], size[1] + 3, Hyper::GLOBAL).unwrap();
                Box::new(move |x| linear.forward_in(x, DenseKind::Full))
            });
        }
    }
}

const NO_DROPOUT: Dropout = Dropout { p: 0.0, tied: true };

/// A stack of three blocks: its output, and the gradients of its input and parameters.
fn stack(
    make: impl Fn(&mut Scope) -> Box<dyn SequenceLayer>,
    config: &StackConfig,
    pass: &Pass,
) -> Vec<(String, Tensor)> {
    let x = normal(1, &[3, config.d_model, 70], Kind::Float);
    outcome(&x, Kind::Float, &|scope| {
        let stack = Stack::new(scope, config, |scope, _| Ok(make(scope))).unwrap();
        let pass = pass.with_activations(pass.activations);
        Box::new(move |x| stack.forward(x, &pass).unwrap())
    })
}

fn compare(found: &[(String, Tensor)], expected: &[(String, Tensor)], tolerance: f64) {
    for ((name, found), (_, expected)) in found.iter().zip(expected) {
        assert_eq!(found.kind(), expected.kind(), "{name}");
        // The gradient of a bias in front of a batch norm is zero but for rounding.
        let scale = expected.abs().max().double_value(&[]).max(1.0);
        let error = (found - expected).abs().max().double_value(&[]) / scale;
        assert!(error < tolerance, "{name}: {error:.1e}");
    }
}

#[test]
fn a_stack_of_s4_blocks_is_the_same_with_kernels() {
    let block = |scope: &mut Scope| -> Box<dyn SequenceLayer> {
        let config = S4BlockConfig { bidirectional: true, ..S4BlockConfig::default() };
        Box::new(S4Block::new(scope, 6, &config, NO_DROPOUT).unwrap())
    };
    for norm in [NormKind::Layer, NormKind::Batch, NormKind::Scalar, NormKind::None] {
        for prenorm in [false, true] {
            let config =
                StackConfig { d_model: 6, n_layers: 3, norm, prenorm, ..StackConfig::default() };
            let pass = Pass::train().with_lengths(Some(Tensor::from_slice(&[70i64, 41, 1])));
            let expected = stack(block, &config, &pass);
            for activations in [Activations::Kept, Activations::Recomputed] {
                let pass = pass.with_activations(activations);
                compare(&with_kernels(|| stack(block, &config, &pass)), &expected, 1e-4);
            }
        }
    }
}

#[test]
fn activations_between_blocks_are_bf16_where_it_is_asked_for() {
    let block = |scope: &mut Scope| -> Box<dyn SequenceLayer> {
        Box::new(FeedForward::new(scope, 16, 2, false, NO_DROPOUT).unwrap())
    };
    for norm in [NormKind::Layer, NormKind::Batch, NormKind::Scalar] {
        let config =
            StackConfig { d_model: 16, n_layers: 3, norm, prenorm: true, ..StackConfig::default() };
        let rounded = Pass { dense: DenseKind::Bfloat16, ..Pass::train() };
        let expected = stack(block, &config, &Pass::train());
        let found = with_kernels(|| stack(block, &config, &rounded));
        compare(&found, &expected, 5e-2);
        // The residual sums are rounded, not only the products.
        let products = stack(block, &config, &rounded);
        assert!(deviation(&found[0].1, &products[0].1) > 1e-3);
    }
}
