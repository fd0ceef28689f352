//! From the trained numbers of S4 and S4D straight to the discrete system, in one launch
//! (`system.cu`) where there are kernels. The twin is [`Ssm::discretise`](super::Ssm::discretise) of
//! [`SsmParameters::ssm`](super::parameters::SsmParameters::ssm).
//!
//! Shapes: H channels, N states, S systems that they share, C outputs a channel, R rank.

use anyhow::{Result, bail};
use cuda::{Kernel, Value};
use s4_config::Transform;
use tch::{Kind, Tensor};

use super::discrete::DiscreteSsm;
use super::low_rank::LowRank;

use super::transition::{Rotation, Transition};
use crate::autograd::{self, Gradients};
use crate::gpu::{self, address, address_or_null, int};

/// The trained tensors under their official names.
#[derive(Debug)]
pub struct Stored<'a> {
    /// (H, 1) or (H, N/2).
    pub inv_dt: &'a Tensor,
    /// (S, N/2).
    pub a_real: &'a Tensor,
    /// (S, N/2).
    pub a_imag: &'a Tensor,
    /// (1, S, N/2, 2).
    pub b: &'a Tensor,
    /// (C, H, N/2, 2).
    pub c: &'a Tensor,
    /// (R, S, N/2, 2), of S4.
    pub p: Option<&'a Tensor>,
}

/// What they stand for.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// Of Δ.
    pub dt_transform: Transform,
    /// Whether Δ is under a further asinh.
    pub dt_fast: bool,
    /// Of -Re Λ.
    pub real_transform: Transform,
    /// Of -Im Λ.
    pub imag_transform: Transform,
    /// Zero-order hold instead of bilinear.
    pub zoh: bool,
}

/// The discrete system with steps of `rate`·Δ; `None` where no kernel serves it.
///
/// # Errors
/// If a kernel cannot be started.
pub fn discretise(stored: &Stored, form: Form, rate: f64) -> Result<Option<DiscreteSsm>> {
    let Some(launcher) = gpu::launcher(stored.c) else { return Ok(None) };
    let rank = stored.p.map_or(0, |p| p.size()[0]);
    let half = stored.a_real.size()[1];
    if !matches!(stored.c.kind(), Kind::Float | Kind::Double) || rank > 4 || half > 128 {
        return Ok(None);
    }
    let each = stored.inv_dt.size()[1] == half && half > 1;
    let kernels = kernels(2 * half, rank, stored.c.kind(), form, each);
    if !kernels.iter().all(|kernel| launcher.has(kernel)) {
        return Ok(None);
    }
    run(stored, rank, kernels, rate).map(Some)
}

/// Forward and backward.
pub(crate) fn kernels(states: i64, rank: i64, kind: Kind, form: Form, each: bool) -> [Kernel; 2] {
    ["discretise", "discretise_back"].map(|name| Kernel {
        name,
        source: include_str!("system.cu"),
        constants: vec![
            ("N", Value::Number(states)),
            ("R", Value::Number(rank)),
            ("VALUE", gpu::type_value(kind)),
            ("ZOH", Value::Number(form.zoh.into())),
            ("EACH", Value::Number(each.into())),
            ("FAST", Value::Number(form.dt_fast.into())),
            ("DT", code(form.dt_transform)),
            ("RE", code(form.real_transform)),
            ("IM", code(form.imag_transform)),
        ],
    })
}

fn code(transform: Transform) -> Value {
    Value::Number(match transform {
        Transform::None => 0,
        Transform::Exp => 1,
        Transform::Relu => 2,
        Transform::Sigmoid => 3,
        Transform::Softplus => 4,
    })
}

/// A warp a channel.
const THREADS: i64 = 128;

fn blocks(h: i64) -> (i64, i64, i64) {
    ((h * 32 + THREADS - 1) / THREADS, 1, 1)
}

fn run(
    stored: &Stored,
    rank: i64,
    [forward, backward]: [Kernel; 2],
    rate: f64,
) -> Result<DiscreteSsm> {
    let (outputs, h, half, _) = stored.c.size4()?;
    let systems = stored.a_real.size()[0];
    let n = 2 * half;
    let guard = tch::no_grad_guard();
    let tensors = [stored.inv_dt, stored.a_real, stored.a_imag, stored.b, stored.c];
    let inputs: Vec<&Tensor> = tensors.into_iter().chain(stored.p).collect();
    let given: Vec<Tensor> = inputs.iter().map(|x| x.detach().contiguous()).collect();
    let double = |shape: &[i64]| Tensor::empty(shape, (Kind::Double, stored.c.device()));
    let (re, im) = (double(&[h, half]), double(&[h, half]));
    let (p, q) = (double(&[h, rank, n]), double(&[h, rank, n]));
    let (b, c) = (double(&[h, n]), double(&[outputs, h, n]));
    let mut arguments: Vec<_> = given.iter().map(address).collect();
    arguments.resize(6, address_or_null(None));
    arguments.extend([&re, &im, &p, &q, &b, &c].map(address));
    arguments.extend([int(h), int(systems), int(outputs), cuda::Argument::Double(rate)]);
    // SAFETY: the kernel's arguments, with the sizes that it is given.
    unsafe {
        gpu::launch(stored.c, &forward, blocks(h), THREADS, &arguments)?;
    };

    let p = p.transpose(1, 2); // (H, N, R)
    drop(guard);
    let mut results = vec![&re, &im, &b, &c];
    if rank > 0 {
        results.extend([&p, &q]);
    }
    autograd::attach(&inputs, &results, move |gradients| {
        back(&given, rank, &backward, rate, gradients)
    })?;
    let d = Rotation { re, im };
    let a =
        if rank > 0 { Transition::LowRank(LowRank { d, p, q }) } else { Transition::Diagonal(d) };
    Ok(DiscreteSsm { a, b, c })
}

fn back(
    given: &[Tensor],
    rank: i64,
    kernel: &Kernel,
    rate: f64,
    gradients: &[Option<Tensor>],
) -> Result<Gradients> {
    let [inv_dt, a_real, _, _, c, ..] = given else { bail!("five tensors or six") };
    let (outputs, h, half, _) = c.size4()?;
    let (systems, n) = (a_real.size()[0], 2 * half);
    let shapes = [vec![h, half], vec![h, half], vec![h, n], vec![outputs, h, n]];
    let low = [vec![h, n, rank], vec![h, rank, n]];
    let of: Vec<Tensor> = shapes
        .iter()
        .chain(&low)
        .enumerate()
        .map(|(i, shape)| match gradients.get(i) {
            Some(Some(g)) if i == 4 => g.transpose(1, 2).contiguous(),
            Some(Some(g)) => g.contiguous(),
            _ => Tensor::zeros(shape, (Kind::Double, c.device())),
        })
        .collect();
    let empty = |shape: &[i64]| Tensor::empty(shape, (c.kind(), c.device()));
    let found = [
        empty(&inv_dt.size()),
        empty(&[h, half]),
        empty(&[h, half]),
        empty(&[1, h, half, 2]),
        empty(&c.size()),
        empty(&[rank, h, half, 2]),
    ];
    let mut arguments: Vec<_> = given.iter().map(address).collect();
    arguments.resize(6, address_or_null(None));
    // re, im, P, Q, b, c.
    arguments.extend([&of[0], &of[1], &of[4], &of[5], &of[2], &of[3]].map(address));
    arguments.extend(found.iter().map(address));
    arguments.extend([int(h), int(systems), int(outputs), cuda::Argument::Double(rate)]);
    // SAFETY: the kernel's arguments, with the sizes that it is given.
    unsafe {
        gpu::launch(c, kernel, blocks(h), THREADS, &arguments)?;
    };
    // Channels that share a system add up: channel h uses system h mod S.
    let shared = |x: Tensor, dim: i64| {
        if systems == h {
            return x;
        }
        x.unflatten(dim, [h / systems, systems]).sum_dim_intlist([dim].as_slice(), false, None)
    };
    let [of_dt, of_re, of_im, of_b, of_c, of_p] = found;
    let all = [of_dt, shared(of_re, 0), shared(of_im, 0), shared(of_b, 1), of_c, shared(of_p, 1)];
    Ok(all.into_iter().take(given.len()).map(Some).collect())
}
