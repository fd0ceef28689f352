//! Activation checkpointing (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost"):
//! a part of a network keeps its inputs alone, and is computed again when its gradient is due. Time
//! for one more forward pass buys the memory of the activations.

use anyhow::Result;
use tch::Tensor;

use crate::autograd;
use crate::generator::GeneratorState;

/// `part(inputs, false)`, differentiable in the inputs and in the parameters that `part` uses,
/// without keeping what the derivative needs: in the backward pass `part(inputs, true)` makes it
/// again, from the same random numbers. The outputs are those of the plain call bit for bit, and so
/// are gradients, up to the order in which libtorch sums where an input is used elsewhere as well.
///
/// The inputs must not be written to in between. Where no input wants a gradient this is the plain
/// call, so that parameters never go without theirs.
///
/// # Errors
/// Those of `part`.
pub fn recomputed<F>(inputs: &[&Tensor], part: F) -> Result<Vec<Tensor>>
where
    F: Fn(&[Tensor], bool) -> Result<Vec<Tensor>> + Send + 'static,
{
    let [first, ..] = inputs else { return part(&[], false) };
    if !autograd::is_wanted(inputs) {
        let inputs: Vec<Tensor> = inputs.iter().map(|x| x.shallow_clone()).collect();
        return part(&inputs, false);
    }
    let kept: Vec<(Tensor, bool)> =
        inputs.iter().map(|x| (x.detach(), x.requires_grad())).collect();
    let random = GeneratorState::now(first)?;
    let outputs = {
        let _guard = tch::no_grad_guard();
        let inputs: Vec<Tensor> = kept.iter().map(|(x, _)| x.shallow_clone()).collect();
        part(&inputs, false)?
    };
    autograd::attach(inputs, &outputs.iter().collect::<Vec<_>>(), move |of_outputs| {
        let leaves: Vec<Tensor> =
            kept.iter().map(|(x, wanted)| x.detach().set_requires_grad(*wanted)).collect();
        tch::with_grad(|| {
            let outputs = random.replay(|| part(&leaves, true))?;
            autograd::back_propagate(&outputs.iter().collect::<Vec<_>>(), of_outputs)
        })?;
        Ok(leaves.iter().map(gradient).collect())
    })?;
    Ok(outputs)
}

fn gradient(leaf: &Tensor) -> Option<Tensor> {
    let gradient = leaf.grad();
    gradient.defined().then_some(gradient)
}
