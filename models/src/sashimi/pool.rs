//! Changing the resolution of a sequence: s neighbouring positions become one with more channels,
//! and back (SaShiMi, section 4.2).
//!
//! Shapes: B batch, H channels, L length, s positions pooled into one.

use anyhow::Result;
use s4_config::Variant;
use s4_core::gpu;
use s4_core::layer::linear::{DenseKind, Linear};
use s4_core::params::{Hyper, Scope};
use tch::Tensor;

/// s positions of H channels to one of `output` channels, by a linear map.
#[derive(Debug)]
pub(crate) struct DownPool {
    pub(crate) linear: Linear,
    /// How many positions become one.
    pub(crate) factor: i64,
}

impl DownPool {
    /// Registers `linear.*`.
    pub(crate) fn new(
        scope: &mut Scope,
        input: i64,
        output: i64,
        factor: i64,
        variant: Variant,
    ) -> Result<Self> {
        Ok(Self { linear: linear(scope, input * factor, output, variant)?, factor })
    }

    /// (B, H, L) to (B, output, L / s).
    pub(crate) fn forward(&self, x: &Tensor, dense: DenseKind) -> Tensor {
        let (batch, h, len) = x.size3().expect("sequences have three dimensions");
        let s = self.factor;
        let gathered = x.reshape([batch, h, len / s, s]).transpose(2, 3); // (B, H, s, L / s)
        if gpu::has_kernels(x) {
            // One copy, channel by channel.
            let rows = gathered.permute([1, 2, 0, 3]).contiguous(); // (H, s, B, L / s)
            return self.linear.forward_in(&rows.flatten(0, 1).transpose(0, 1), dense);
        }
        self.linear.forward_in(&gathered.reshape([batch, h * s, len / s]), dense)
    }

    /// s vectors (B, H) to (B, output).
    pub(crate) fn step(&self, gathered: &[Tensor]) -> Tensor {
        self.linear.step(&Tensor::stack(gathered, -1).flatten(1, 2))
    }
}

/// One position of many channels to s positions of H channels.
///
/// Where it is late, by one pooled position, no output depends on inputs of its own
/// group: what comes out at s·m … s·m + s - 1 was computed from pooled positions before m.
#[derive(Debug)]
pub(crate) struct UpPool {
    pub(crate) linear: Linear,
    pub(crate) output: i64,
    pub(crate) factor: i64,
    pub(crate) late: bool,
}

impl UpPool {
    /// Registers `linear.*`. Without `late` the output belongs to its own group.
    pub(crate) fn new(
        scope: &mut Scope,
        input: i64,
        output: i64,
        factor: i64,
        late: bool,
        variant: Variant,
    ) -> Result<Self> {
        Ok(Self { linear: linear(scope, input, output * factor, variant)?, output, factor, late })
    }

    /// (B, input, M) to (B, H, s·M). `pending` is what comes out first, (B, H, s); it is replaced
    /// by what will come out after this sequence.
    pub(crate) fn forward(
        &self,
        x: &Tensor,
        pending: Option<&mut Tensor>,
        dense: DenseKind,
    ) -> Tensor {
        let (batch, _, m) = x.size3().expect("sequences have three dimensions");
        let y = self.linear.forward_in(x, dense).reshape([batch, self.output, self.factor, m]);
        let mut y = y.transpose(2, 3); // (B, H, M, s)
        let mut first = None;
        if self.late {
            let shape = [batch, self.output, 1, self.factor];
            first = Some(Tensor::zeros(shape, (y.kind(), y.device())));
            if let Some(pending) = pending {
                first = Some(pending.unsqueeze(2).to_kind(y.kind()));
                *pending = y.select(2, m - 1).to_kind(pending.kind());
            }
            y = y.narrow(2, 0, m - 1);
        }
        // One copy, with the channels outermost where there are kernels.
        let turned = |y: &Tensor| {
            if gpu::has_kernels(x) { y.transpose(0, 1) } else { y.shallow_clone() }
        };
        let y = match first {
            None => turned(&y),
            Some(first) => Tensor::cat(&[turned(&first), turned(&y)], 2),
        };
        turned(&y.flatten(2, 3))
    }

    /// What comes out before anything went in, (B, H, s).
    pub(crate) fn silence(&self, batch: i64) -> Tensor {
        let (kind, device) = self.linear.options();
        Tensor::zeros([batch, self.output, self.factor], (kind, device))
    }

    /// One pooled vector (B, input) to the next s outputs (B, H, s).
    pub(crate) fn step(&self, x: &Tensor) -> Tensor {
        self.linear.step(x).view([-1, self.output, self.factor])
    }
}

fn linear(scope: &mut Scope, input: i64, output: i64, variant: Variant) -> Result<Linear> {
    let mut scope = scope.sub("linear");
    match variant {
        Variant::Standalone => Linear::pointwise(&mut scope, input, output, Hyper::NO_DECAY),
        Variant::Audio => Linear::weight_normed(&mut scope, input, output, Hyper::NO_DECAY),
    }
}
