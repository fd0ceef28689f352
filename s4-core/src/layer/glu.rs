//! A linear map and a gated linear unit as one operation: one product, one kernel.

use anyhow::{Result, bail};
use cuda::{Argument, Kernel};
use tch::{Kind, Tensor};

use super::rows::{self, Shape, THREADS};
use crate::{autograd, gpu};

const SOURCE: &str = concat!(include_str!("rows.cuh"), include_str!("glu.cu"));
const NAMES: [&str; 2] = ["glu_forward", "glu_backward"];

/// (W x + b)_a ∘ σ((W x + b)_g) at every position, a and g the upper and lower half of the rows:
/// x (B, H, L), `matrix` W (2H', H), `bias` (2H') to (B, H', L) in the kind of x.
///
/// Where there are kernels, W is rounded to the kind of x, W x is one product, and the result is
/// [`gpu::channel_major`].
pub fn linear_glu(x: &Tensor, matrix: &Tensor, bias: &Tensor) -> Tensor {
    let batch = x.size()[0];
    let x = gpu::rows(&gpu::channel_major(x));
    let y = if rows::have_kernels(&x, SOURCE, &NAMES) {
        by_kernels(&x, matrix, bias).expect("kernels that compile can be started")
    } else {
        by_tensors(&x, matrix, bias)
    };
    gpu::sequences(&y, batch)
}

/// The twin: the same on rows (H, P) by libtorch's operations.
fn by_tensors(x: &Tensor, matrix: &Tensor, bias: &Tensor) -> Tensor {
    let z = matrix.to_kind(x.kind()).mm(x) + bias.unsqueeze(-1);
    z.glu(0).to_kind(x.kind())
}

fn kernel(name: &'static str, kind: Kind, pack: i64) -> Kernel {
    rows::kernel(name, SOURCE, kind, pack)
}

/// For the test that compiles them.
pub(crate) fn kernels() -> Vec<Kernel> {
    rows::variants(&NAMES, SOURCE)
}

fn by_kernels(x: &Tensor, matrix: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let guard = tch::no_grad_guard();
    let kind = x.kind();
    let saved = Saved {
        x: x.detach(),
        matrix: matrix.detach().to_kind(kind),
        z: matrix.detach().to_kind(kind).mm(&x.detach()),
        bias: rows::parameter(bias, kind),
        kinds: (matrix.kind(), bias.kind()),
    };
    let y = saved.forward()?;
    drop(guard);
    autograd::attach(&[x, matrix, bias], &[&y], move |gradients| {
        let [Some(g)] = gradients else { bail!("one output has one gradient") };
        Ok(saved.backward(&g.contiguous())?.map(Some).into())
    })?;
    Ok(y)
}

struct Saved {
    /// (H, P).
    x: Tensor,
    /// (2H', H), in the kind of x.
    matrix: Tensor,
    /// W x (2H', P).
    z: Tensor,
    bias: Tensor,
    /// Of matrix and bias as they were given.
    kinds: (Kind, Kind),
}

impl Saved {
    fn forward(&self) -> Result<Tensor> {
        let (double, positions) = self.z.size2()?;
        let y = Tensor::empty([double / 2, positions], (self.z.kind(), self.z.device()));
        let shape = Shape::of(double / 2, &[&self.z, &y]);
        let arguments = [
            gpu::address(&self.z),
            gpu::address(&self.bias),
            gpu::address(&y),
            Argument::Long(positions),
        ];
        let kernel = kernel("glu_forward", self.z.kind(), shape.pack);
        // SAFETY: the kernel's own arguments; rows and bias have the sizes of the grid.
        unsafe { gpu::launch(&y, &kernel, shape.grid(), THREADS, &arguments)? };
        Ok(y)
    }

    /// Gradients of x, matrix and bias.
    fn backward(&self, g: &Tensor) -> Result<[Tensor; 3]> {
        let double = self.z.size()[0];
        let of_z = self.z.empty_like();
        let shape = Shape::of(double / 2, &[&self.z, g, &of_z]);
        let parts = Tensor::empty([double, shape.blocks], (self.bias.kind(), self.bias.device()));
        let arguments = [
            gpu::address(&self.z),
            gpu::address(&self.bias),
            gpu::address(g),
            gpu::address(&of_z),
            gpu::address(&parts),
            Argument::Long(shape.positions),
        ];
        let kernel = kernel("glu_backward", self.z.kind(), shape.pack);
        // SAFETY: as in the forward pass; a part for each block of both halves.
        unsafe { gpu::launch(&of_z, &kernel, shape.grid(), THREADS, &arguments)? };
        let of_bias = parts.sum_dim_intlist([1i64].as_slice(), false, None);
        let of_matrix = gpu::exact_product(&of_z, &self.x.tr()).to_kind(self.kinds.0);
        Ok([self.matrix.tr().mm(&of_z), of_matrix, of_bias.to_kind(self.kinds.1)])
    }
}
