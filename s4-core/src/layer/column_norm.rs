//! Norms over the channels of sequences that lie channel by channel, by kernels: one forward, one
//! backward.

use anyhow::{Result, bail};
use cuda::{Argument, Kernel, Value};
use tch::{Kind, Tensor};

use super::rows;
use crate::{autograd, gpu};

const SOURCE: &str = include_str!("column_norm.cu");

/// Which norm over channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Affine {
    /// A weight and a bias (H): weight ∘ (x - mean) / std + bias.
    ByChannel,
    /// A weight and a bias (1): weight (x - mean + bias) / std.
    Scalar,
}

/// The norm of x (B, H, L) over its channels, the variance biased; `None` where no kernel serves.
pub(super) fn column_norm(
    x: &Tensor,
    affine: Affine,
    weight: &Tensor,
    bias: &Tensor,
    eps: f64,
) -> Option<Tensor> {
    if x.dim() != 3 || gpu::type_name(x.kind()).is_none() {
        return None;
    }
    let launcher = gpu::launcher(x)?;
    let (batch, h, _) = x.size3().expect("(B, H, L)");
    let small = Plan { kind: x.kind(), affine, h, pack: 1 };
    let is_served = small.fits()
        && launcher.has(&small.kernel(FORWARD))
        && launcher.has(&small.kernel(BACKWARD));
    if !is_served {
        return None;
    }
    let rows = gpu::rows(&gpu::channel_major(x));
    let y = by_kernels(&rows, affine, weight, bias, eps);
    Some(gpu::sequences(&y.expect("kernels that compile can be started"), batch))
}

const FORWARD: &str = "column_norm_forward";
const BACKWARD: &str = "column_norm_backward";

/// Blocks that share the tiles of a backward pass: as many as a large card runs at once.
const BLOCKS: i64 = 1024;

/// Bytes that a lane loads at once: the lines of a warp are whole, and tiles stay small.
const LANE_BYTES: i64 = 4;

/// The constants of the kernels.
#[derive(Debug, Clone, Copy)]
struct Plan {
    kind: Kind,
    affine: Affine,
    h: i64,
    pack: i64,
}

impl Plan {
    /// Of tensors (H, P).
    fn of(tensors: &[&Tensor], affine: Affine) -> Self {
        let pack = rows::pack(tensors, LANE_BYTES);
        Self { kind: tensors[0].kind(), affine, h: tensors[0].size()[0], pack }
    }

    /// Whether the sums of the rows fit into a block's memory.
    fn fits(self) -> bool {
        let bytes = rows::sum_kind(self.kind).elt_size_in_bytes() as i64;
        self.affine == Affine::Scalar || 2 * self.h * bytes <= 32 * 1024
    }

    fn warps(self) -> i64 {
        match self.h {
            ..=32 => 4,
            ..=64 => 8,
            _ => 16,
        }
    }

    fn tiles(self, positions: i64) -> i64 {
        (positions + 32 * self.pack - 1) / (32 * self.pack)
    }

    fn kernel(self, name: &'static str) -> Kernel {
        let mut kernel = rows::kernel(name, SOURCE, self.kind, self.pack);
        kernel.constants.extend([
            ("ROWS", Value::Number(self.h)),
            ("WARPS", Value::Number(self.warps())),
            ("SCALAR", Value::Number((self.affine == Affine::Scalar).into())),
        ]);
        kernel
    }
}

/// For the test that compiles them.
pub(crate) fn kernels() -> Vec<Kernel> {
    let mut kernels = Vec::new();
    for (kind, packs) in
        [(Kind::Float, [1].as_slice()), (Kind::Double, &[1]), (Kind::BFloat16, &[1, 2])]
    {
        for h in [1, 64, 256, 512] {
            for affine in [Affine::ByChannel, Affine::Scalar] {
                for &pack in packs {
                    let plan = Plan { kind, affine, h, pack };
                    kernels.extend([FORWARD, BACKWARD].map(|name| plan.kernel(name)));
                }
            }
        }
    }
    kernels
}

fn by_kernels(
    x: &Tensor,
    affine: Affine,
    weight: &Tensor,
    bias: &Tensor,
    eps: f64,
) -> Result<Tensor> {
    let guard = tch::no_grad_guard();
    let kind = x.kind();
    let mut saved = Saved {
        affine,
        x: x.detach(),
        weight: rows::parameter(weight, kind),
        bias: rows::parameter(bias, kind),
        statistics: Tensor::new(),
    };
    let y = saved.forward(eps)?;
    drop(guard);
    let kind = weight.kind();
    autograd::attach(&[x, weight, bias], &[&y], move |gradients| {
        let [Some(g)] = gradients else { bail!("one output has one gradient") };
        let (of_x, of_parameters) = saved.backward(&g.contiguous())?;
        let of = |i| Some(of_parameters.get(i).to_kind(kind));
        Ok(vec![Some(of_x), of(1), of(0)])
    })?;
    Ok(y)
}

struct Saved {
    affine: Affine,
    /// (H, P).
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    /// Mean and scale of each position, (2, P).
    statistics: Tensor,
}

impl Saved {
    fn forward(&mut self, eps: f64) -> Result<Tensor> {
        let positions = self.x.size()[1];
        let y = self.x.empty_like();
        self.statistics = Tensor::empty([2, positions], (self.weight.kind(), y.device()));
        let plan = Plan::of(&[&self.x, &y], self.affine);
        let arguments = [
            gpu::address(&self.x),
            gpu::address(&self.weight),
            gpu::address(&self.bias),
            gpu::address(&y),
            gpu::address(&self.statistics),
            Argument::Double(eps),
            Argument::Long(positions),
        ];
        let grid = (plan.tiles(positions), 1, 1);
        // SAFETY: the kernel's own arguments, whose sizes are those of x.
        unsafe { gpu::launch(&y, &plan.kernel(FORWARD), grid, 32 * plan.warps(), &arguments)? };
        Ok(y)
    }

    /// Gradients of x, and of bias and weight: (2, H), or (2, 1) for scalars.
    fn backward(&self, g: &Tensor) -> Result<(Tensor, Tensor)> {
        let positions = self.x.size()[1];
        let of_x = self.x.empty_like();
        let plan = Plan::of(&[&self.x, g, &of_x], self.affine);
        let blocks = plan.tiles(positions).min(BLOCKS);
        let options = (self.weight.kind(), of_x.device());
        let parts = Tensor::empty([2, self.weight.numel() as i64, blocks], options);
        let arguments = [
            gpu::address(&self.x),
            gpu::address(g),
            gpu::address(&self.statistics),
            gpu::address(&self.weight),
            gpu::address(&self.bias),
            gpu::address(&of_x),
            gpu::address(&parts),
            Argument::Long(positions),
        ];
        let (kernel, threads) = (plan.kernel(BACKWARD), 32 * plan.warps());
        // SAFETY: as in the forward pass; parts has one entry a block for each parameter.
        unsafe { gpu::launch(&of_x, &kernel, (blocks, 1, 1), threads, &arguments)? };
        Ok((of_x, parts.sum_dim_intlist([2i64].as_slice(), false, None)))
    }
}
