//! ResNeXt for small pictures (Xie et al. 2017), which take a spectrogram for one: the official
//! classifier of SC09.
//!
//! Shapes: B batch, F bands, L frames; C channels, h x w places.

use anyhow::{Result, bail, ensure};
use s4_config::{NormKind, ResnextConfig};
use s4_core::layer::norm::Norm;
use s4_core::layer::{Pass, SequenceLayer, State, Stepper};
use s4_core::params::{Hyper, Scope};
use s4_core::recurrence::StepMode;
use tch::{Device, Kind, Tensor};

/// Channels after the first convolution.
const STEM: i64 = 64;
const STAGES: [i64; 3] = [1, 2, 4];

/// Spectrograms (B, F, L) to vectors of the places of a smaller picture, (B, width, h·w).
#[derive(Debug)]
pub struct Resnext {
    stem: Convolution,
    bottlenecks: Vec<Bottleneck>,
}

/// A convolution without bias, and batch norm.
#[derive(Debug)]
struct Convolution {
    weight: Tensor,
    norm: Norm,
    stride: i64,
    groups: i64,
}

#[derive(Debug)]
struct Bottleneck {
    reduce: Convolution,
    conv: Convolution,
    expand: Convolution,
    shortcut: Option<Convolution>,
}

impl Resnext {
    /// Registers `conv_1_3x3`, `bn_1` and `stage_i.stage_i_bottleneck_j.*` of the scope, as
    /// officially. Draws from tch's CPU generator.
    ///
    /// # Errors
    /// If the names are taken.
    pub fn new(scope: &mut Scope, config: &ResnextConfig) -> Result<Self> {
        let &ResnextConfig { cardinality, base_width, widen, .. } = config;
        let stem = Convolution::new(scope, ("conv_1_3x3", "bn_1"), [STEM, 1, 3], 1, 1)?;
        let mut bottlenecks = Vec::new();
        let mut input = STEM;
        for (i, factor) in STAGES.into_iter().enumerate() {
            let name = format!("stage_{}", i + 1);
            let mut stage = scope.sub(&name);
            let (inner, output) = (cardinality * base_width * factor, STEM * widen * factor);
            for j in 0..config.bottlenecks() {
                let scope = &mut stage.sub(format!("{name}_bottleneck_{j}"));
                let stride = if i > 0 && j == 0 { 2 } else { 1 };
                let reduce = ("conv_reduce", "bn_reduce");
                let expand = ("conv_expand", "bn_expand");
                let shortcut = ("shortcut_conv", "shortcut_bn");
                let conv = [inner, inner / cardinality, 3];
                bottlenecks.push(Bottleneck {
                    reduce: Convolution::new(scope, reduce, [inner, input, 1], 1, 1)?,
                    conv: Convolution::new(scope, ("conv_conv", "bn"), conv, stride, cardinality)?,
                    expand: Convolution::new(scope, expand, [output, inner, 1], 1, 1)?,
                    shortcut: if input == output {
                        None
                    } else {
                        let scope = &mut scope.sub("shortcut");
                        Some(Convolution::new(scope, shortcut, [output, input, 1], stride, 1)?)
                    },
                });
                input = output;
            }
        }
        Ok(Self { stem, bottlenecks })
    }
}

impl Convolution {
    /// Of a weight (out, in, size, size), normal with variance 2 / (out size²) (He et al. 2015).
    fn new(
        scope: &mut Scope,
        (name, norm): (&str, &str),
        [output, input, size]: [i64; 3],
        stride: i64,
        groups: i64,
    ) -> Result<Self> {
        let std = (2.0 / (output * size * size) as f64).sqrt();
        let weight = Tensor::randn([output, input, size, size], (Kind::Float, Device::Cpu)) * std;
        let weight = scope.sub(name).parameter("weight", &weight, Hyper::GLOBAL)?;
        let norm = Norm::new(&mut scope.sub(norm), NormKind::Batch, output, Hyper::GLOBAL)?;
        Ok(Self { weight, norm, stride, groups })
    }

    /// Pictures x (B, C, h, w).
    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let (stride, padding) = ([self.stride; 2], [self.weight.size()[2] / 2; 2]);
        let bias = None::<Tensor>;
        let x = x.f_conv2d(&self.weight, bias, stride, padding, [1i64, 1], self.groups)?;
        Ok(self.norm.forward(&x, train))
    }
}

impl Bottleneck {
    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let y = self.reduce.forward(x, train)?.relu();
        let y = self.conv.forward(&y, train)?.relu();
        let y = self.expand.forward(&y, train)?;
        let x = match &self.shortcut {
            Some(shortcut) => shortcut.forward(x, train)?,
            None => x.shallow_clone(),
        };
        Ok((x + y).relu())
    }
}

const WHOLE: &str = "a picture network needs whole spectrograms: it has no state and no steps";

impl SequenceLayer for Resnext {
    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        ensure!(x.dim() == 3, "expected spectrograms (batch, bands, frames), got {:?}", x.size());
        ensure!(
            pass.lengths.is_none(),
            "a picture network needs spectrograms of one length; set data.max_length"
        );
        let mut y = self.stem.forward(&x.unsqueeze(1), pass.train)?.relu();
        for bottleneck in &self.bottlenecks {
            y = bottleneck.forward(&y, pass.train)?;
        }
        Ok(y.flatten(2, 3))
    }

    fn forward_with_state(&self, _: &Tensor, _: &State, _: &Pass) -> Result<(Tensor, State)> {
        bail!(WHOLE)
    }

    fn default_state(&self, _: i64) -> Result<State> {
        bail!(WHOLE)
    }

    fn stepper(&self, _: StepMode, _: f64) -> Result<Box<dyn Stepper + '_>> {
        bail!(WHOLE)
    }

    fn state_len(&self) -> usize {
        0
    }
}
