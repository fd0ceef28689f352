//! Operators on whole lists of tensors, which tch's generator leaves out: one call, and on a GPU
//! one or two kernels, where a loop over tensors costs several launches for each.
//!
//! All unsafe code of the optimiser is in this module. No call here waits for the device.

mod abi;
mod threads;

use anyhow::{Context, Result, ensure};
use tch::{Device, Kind, Tensor};

use abi::{Arg, dispatcher};
use threads::{OneThread, WORTH_A_TEAM};

use super::plain;

/// Whether the operators can be called at all; [`probe`] tries them on a device.
pub fn is_available() -> bool {
    dispatcher().is_ok()
}

/// The numbers of one AdamW update, as in [`super::AdamWConfig`]; `lr` is the scheduled rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Update {
    /// Learning rate of this step.
    pub lr: f64,
    /// Decoupled weight decay per unit of learning rate.
    pub weight_decay: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
}

/// The tensors of one update, index by index: equal lengths, shapes, kinds and device.
#[derive(Debug, Default)]
pub struct Lists<'a> {
    /// Parameters, contiguous.
    pub params: Vec<&'a Tensor>,
    /// Their gradients, of any strides.
    pub grads: Vec<&'a Tensor>,
    /// First moments, contiguous.
    pub exp_avgs: Vec<&'a Tensor>,
    /// Second moments, contiguous.
    pub exp_avg_sqs: Vec<&'a Tensor>,
}

/// One AdamW update of all tensors in `lists` by `aten::_fused_adamw_`, in place. `step` counts
/// from 1 and holds for all of them.
///
/// # Errors
/// If libtorch has no such operator for the device.
pub fn adamw(lists: &Lists, step: i64, update: &Update) -> Result<()> {
    let n = lists.params.len();
    ensure!(
        lists.grads.len() == n && lists.exp_avgs.len() == n && lists.exp_avg_sqs.len() == n,
        "the lists of a fused update differ in length"
    );
    if lists.params.first().is_some_and(|param| param.device() == Device::Cpu) {
        let (large, small) = lists.split(|param| param.numel() >= WORTH_A_TEAM);
        call_adamw(&large, step, update)?;
        let _one = OneThread::new();
        return call_adamw(&small, step, update);
    }
    call_adamw(lists, step, update)
}

impl<'a> Lists<'a> {
    /// The entries for whose parameter `keep` holds, and the others.
    fn split(&self, keep: impl Fn(&Tensor) -> bool) -> (Lists<'a>, Lists<'a>) {
        let (mut kept, mut others) = (Lists::default(), Lists::default());
        for (i, param) in self.params.iter().enumerate() {
            let half = if keep(param) { &mut kept } else { &mut others };
            half.params.push(param);
            half.grads.push(self.grads[i]);
            half.exp_avgs.push(self.exp_avgs[i]);
            half.exp_avg_sqs.push(self.exp_avg_sqs[i]);
        }
        (kept, others)
    }
}

fn call_adamw(lists: &Lists, step: i64, update: &Update) -> Result<()> {
    let Some(first) = lists.params.first() else {
        return Ok(());
    };
    let n = lists.params.len();
    let _guard = tch::no_grad_guard();
    // The kernels walk all tensors in memory order; a gradient is not always laid out like its
    // parameter (the transposed one of an expanded or permuted weight).
    let grads = lists.grads.iter().map(|g| g.f_contiguous()).collect::<Result<Vec<_>, _>>()?;
    let grads: Vec<&Tensor> = grads.iter().collect();
    // A CUDA kernel reads the step from device memory. One tensor serves all parameters since the
    // kernel does not change it; filling it takes no transfer, so the host does not wait. float32
    // is exact up to 2^24 steps, and the bias corrections are 1 long before.
    let step = Tensor::f_full([] as [i64; 0], step as f64, (Kind::Float, first.device()))?;
    let steps = vec![&step; n];
    let args = [
        Arg::Tensors(&lists.params),
        Arg::Tensors(&grads),
        Arg::Tensors(&lists.exp_avgs),
        Arg::Tensors(&lists.exp_avg_sqs),
        Arg::Tensors(&[]), // max_exp_avg_sqs
        Arg::Tensors(&steps),
        Arg::Float(update.lr),
        Arg::Float(update.beta1),
        Arg::Float(update.beta2),
        Arg::Float(update.weight_decay),
        Arg::Float(update.eps),
        Arg::Bool(false), // amsgrad
        Arg::Bool(false), // maximize
        Arg::Nothing,     // grad_scale
        Arg::Nothing,     // found_inf
    ];
    // SAFETY: the schema is
    //   _fused_adamw_(Tensor[] self, Tensor[] grads, Tensor[] exp_avgs, Tensor[] exp_avg_sqs,
    //     Tensor[] max_exp_avg_sqs, Tensor[] state_steps, *, float lr, float beta1, float beta2,
    //     float weight_decay, float eps, bool amsgrad, bool maximize, Tensor? grad_scale,
    //     Tensor? found_inf) -> ()
    unsafe { dispatcher()?.call(c"aten::_fused_adamw_", c"", &args) }
}

/// Multiplies every tensor by the scalar tensor `factor`, in place.
///
/// # Errors
/// If libtorch has no such operator.
pub fn multiply(tensors: &[&Tensor], factor: &Tensor) -> Result<()> {
    if tensors.is_empty() {
        return Ok(());
    }
    let _guard = tch::no_grad_guard();
    let args = [Arg::Tensors(tensors), Arg::Tensor(factor)];
    // SAFETY: the schema is _foreach_mul_.Tensor(Tensor[] self, Tensor other) -> ()
    unsafe { dispatcher()?.call(c"aten::_foreach_mul_", c"Tensor", &args) }
}

/// The largest absolute value of each tensor, as scalar tensors on its device; NaN where a tensor
/// holds NaN. Tensors without elements are not allowed.
///
/// # Errors
/// If libtorch has no such operator, or a tensor is empty.
pub fn max_abs(tensors: &[&Tensor]) -> Result<Vec<Tensor>> {
    if tensors.is_empty() {
        return Ok(Vec::new());
    }
    let _guard = tch::no_grad_guard();
    let dispatcher = dispatcher()?;
    // SAFETY: the schema is _foreach_abs(Tensor[] self) -> Tensor[]
    let abs = unsafe {
        dispatcher.call_for_tensors(c"aten::_foreach_abs", c"", &[Arg::Tensors(tensors)])?
    };
    let abs: Vec<&Tensor> = abs.iter().collect();
    // SAFETY: the schema is _foreach_max(Tensor[] self) -> Tensor[]
    unsafe { dispatcher.call_for_tensors(c"aten::_foreach_max", c"", &[Arg::Tensors(&abs)]) }
}

/// Whether the fused operators work on `device` for tensors of `kind`: makes two small updates and
/// holds them against the plain formula, so that a wrong result counts as "does not work".
///
/// # Errors
/// Says why they do not.
pub fn probe(device: Device, kind: Kind) -> Result<()> {
    dispatcher()?;
    let values = |v: [f64; 3]| -> Result<Tensor> {
        Ok(Tensor::f_from_slice(&v)?.f_to_kind(kind)?.f_to_device(device)?)
    };
    let fresh = || -> Result<[Tensor; 4]> {
        Ok([
            values([1.0, -2.0, 0.5])?,
            values([0.3, 0.0, -4.0])?,
            values([0.1, 0.2, 0.0])?,
            values([0.01, 0.02, 0.0])?,
        ])
    };
    let (fast, slow) = (fresh()?, fresh()?);
    let update = Update { lr: 0.1, weight_decay: 0.1, beta1: 0.9, beta2: 0.999, eps: 1e-8 };
    let _guard = tch::no_grad_guard();
    for step in [3, 4] {
        let lists = Lists {
            params: vec![&fast[0]],
            grads: vec![&fast[1]],
            exp_avgs: vec![&fast[2]],
            exp_avg_sqs: vec![&fast[3]],
        };
        adamw(&lists, step, &update)
            .with_context(|| format!("the fused AdamW does not run on {device:?}"))?;
        plain::adamw(&slow[0], &slow[1], &slow[2], &slow[3], step, &update)?;
    }
    for (fast, slow) in fast.iter().zip(&slow) {
        let error = f64::try_from((fast - slow).abs().max())?;
        ensure!(error < 1e-6, "the fused AdamW is off by {error:e} on {device:?}");
    }
    Ok(())
}
