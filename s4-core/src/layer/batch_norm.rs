//! Batch norm of sequences in training: two kernels forward, two backward.

use anyhow::{Result, bail};
use cuda::{Argument, Kernel};
use tch::{Kind, Tensor};

use super::over_shards;
use super::rows::{self, Shape, THREADS};
use crate::{autograd, gpu, shard};

const SOURCE: &str = concat!(include_str!("rows.cuh"), include_str!("batch_norm.cu"));
const NAMES: [&str; 4] =
    ["batch_norm_moments", "batch_norm_forward", "batch_norm_sums", "batch_norm_backward"];

/// Mean and (unbiased) variance (H) over the batches so far, each moving on by a tenth.
pub(super) type Running<'a> = (&'a Tensor, &'a Tensor);

pub(super) const MOMENTUM: f64 = 0.1;

/// Batch norm over batch and positions of each channel: x (B, H, L) or (B, H), weight and bias (H).
/// With `train` by the statistics of x, which move the running ones on; otherwise by those.
pub(super) fn batch_norm(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    running: Option<Running>,
    train: bool,
    eps: f64,
) -> Tensor {
    if train && let Some(shard) = shard::current() {
        return over_shards::batch_norm(x, weight, bias, running, eps, &shard);
    }
    if x.dim() == 3 && gpu::has_kernels(x) {
        if let (false, Some(running)) = (train, running) {
            return by_running(x, weight, bias, running, eps);
        }
        let rows = gpu::rows(&gpu::channel_major(x));
        if is_served(&rows, running) {
            let y = by_kernels(&rows, weight, bias, running, eps);
            return gpu::sequences(&y.expect("kernels that compile can be started"), x.size()[0]);
        }
    }
    let (mean, var) = running.unzip();
    x.batch_norm(Some(weight), Some(bias), mean, var, train, MOMENTUM, eps, false)
}

/// Outside training it is a scale and a shift, which keep the memory as it lies.
fn by_running(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    (mean, var): Running,
    eps: f64,
) -> Tensor {
    let scale = weight * (var + eps).rsqrt();
    let shift = bias - mean * &scale;
    (x * scale.unsqueeze(-1) + shift.unsqueeze(-1)).to_kind(x.kind())
}

fn is_served(x: &Tensor, running: Option<Running>) -> bool {
    let fits = running.is_none_or(|(mean, _)| mean.kind() == rows::sum_kind(x.kind()));
    fits && rows::have_kernels(x, SOURCE, &NAMES)
}

fn kernel(name: &'static str, kind: Kind, pack: i64) -> Kernel {
    rows::kernel(name, SOURCE, kind, pack)
}

/// For the test that compiles them.
pub(crate) fn kernels() -> Vec<Kernel> {
    rows::variants(&NAMES, SOURCE)
}

fn by_kernels(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    running: Option<Running>,
    eps: f64,
) -> Result<Tensor> {
    let guard = tch::no_grad_guard();
    let kind = x.kind();
    let (y, statistics) = forward(
        &x.detach(),
        &rows::parameter(weight, kind),
        &rows::parameter(bias, kind),
        running,
        eps,
    )?;
    let saved = Saved { x: x.detach(), weight: rows::parameter(weight, kind), statistics };
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

/// The result, and mean and scale of each row, (2, H).
fn forward(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    running: Option<Running>,
    eps: f64,
) -> Result<(Tensor, Tensor)> {
    let (h, options) = (x.size()[0], (weight.kind(), x.device()));
    let y = x.empty_like();
    let shape = Shape::of(h, &[x, &y]);
    let parts = Tensor::empty([h, shape.blocks, 3], options);
    let statistics = Tensor::empty([2, h], options);
    let moments = [gpu::address(x), gpu::address(&parts), Argument::Long(shape.positions)];
    let (mean, var) = running.unzip();
    let arguments = [
        gpu::address(x),
        gpu::address(&parts),
        gpu::int(shape.blocks),
        gpu::address(weight),
        gpu::address(bias),
        gpu::address(&y),
        gpu::address(&statistics),
        gpu::address_or_null(mean),
        gpu::address_or_null(var),
        Argument::Double(MOMENTUM),
        Argument::Double(eps),
        Argument::Long(shape.positions),
    ];
    // SAFETY: the kernels' own arguments; rows, parameters and statistics have the sizes of the
    // grid, parts one entry a block, and running statistics are of the kind of sums.
    unsafe {
        let kernel = |name| kernel(name, x.kind(), shape.pack);
        gpu::launch(x, &kernel("batch_norm_moments"), shape.grid(), THREADS, &moments)?;
        gpu::launch(x, &kernel("batch_norm_forward"), shape.grid(), THREADS, &arguments)?;
    }
    Ok((y, statistics))
}

struct Saved {
    /// (H, P).
    x: Tensor,
    weight: Tensor,
    /// Mean and scale of each row, (2, H).
    statistics: Tensor,
}

impl Saved {
    /// Gradients of x, and of bias and weight (2, H).
    fn backward(&self, g: &Tensor) -> Result<(Tensor, Tensor)> {
        let x = &self.x;
        let of_x = x.empty_like();
        let of_parameters = self.statistics.empty_like();
        let shape = Shape::of(x.size()[0], &[x, g, &of_x]);
        let options = (self.weight.kind(), x.device());
        let parts = Tensor::empty([2, shape.rows, shape.blocks], options);
        let sums = [
            gpu::address(x),
            gpu::address(g),
            gpu::address(&self.statistics),
            gpu::address(&parts),
            Argument::Long(shape.positions),
        ];
        let arguments = [
            gpu::address(x),
            gpu::address(g),
            gpu::address(&self.statistics),
            gpu::address(&parts),
            gpu::int(shape.blocks),
            gpu::address(&self.weight),
            gpu::address(&of_x),
            gpu::address(&of_parameters),
            Argument::Long(shape.positions),
        ];
        // SAFETY: as in the forward pass.
        unsafe {
            let kernel = |name| kernel(name, x.kind(), shape.pack);
            gpu::launch(x, &kernel("batch_norm_sums"), shape.grid(), THREADS, &sums)?;
            gpu::launch(x, &kernel("batch_norm_backward"), shape.grid(), THREADS, &arguments)?;
        }
        Ok((of_x, of_parameters))
    }
}
