//! Layers as a network uses them.
//!
//! Sequences are (B, H, L) throughout: batch, channels, length. That is what the FFT wants, and a
//! position-wise linear map is a matrix product from the left.

pub mod activation;
mod batch_norm;
mod channel_norm;
mod column_norm;
pub mod dropout;
pub mod feed_forward;
pub mod glu;
pub mod inspect;
pub mod linear;
pub mod mask;
pub mod norm;
mod over_shards;
pub mod residual;
mod rows;
pub mod s4_block;
pub mod stack;
pub mod weight;

use anyhow::{Result, ensure};
use s4_config::KernelMethod;
use tch::Tensor;

use crate::recurrence::StepMode;

use inspect::{Inspect, Place};
use linear::DenseKind;

/// The circumstances of one forward pass.
#[derive(Debug)]
pub struct Pass {
    /// Whether dropout drops and batch norm uses and tracks the batch's statistics.
    pub train: bool,
    /// Number of valid positions of each sequence, (B) int64 on the model's device; `None`: all.
    pub lengths: Option<Tensor>,
    /// What residual blocks are given beside their input where they are built for it: (B, C), or
    /// (B, C, L) with as many positions as the block's input.
    pub condition: Option<Tensor>,
    /// Step of the input relative to that of the training data: 2 at half the sampling rate.
    pub rate: f64,
    /// How convolution kernels are computed.
    pub kernel: KernelMethod,
    /// How the linear maps inside and between the blocks multiply.
    pub dense: DenseKind,
    /// What becomes of the activations that the backward pass needs.
    pub activations: Activations,
}

/// What becomes of the activations that the backward pass needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activations {
    /// They are kept.
    #[default]
    Kept,
    /// Each residual block keeps its input alone, and is computed again when its gradient is due
    /// ([`crate::recompute`]).
    Recomputed,
    /// This is the second time: they are kept, and running statistics, which have seen the batch,
    /// are left alone.
    Again,
}

impl Pass {
    /// A training pass over full-length sequences.
    pub fn train() -> Self {
        Self { train: true, ..Self::eval() }
    }

    /// An evaluation pass over full-length sequences.
    pub fn eval() -> Self {
        Self {
            train: false,
            lengths: None,
            condition: None,
            rate: 1.0,
            kernel: KernelMethod::default(),
            dense: DenseKind::default(),
            activations: Activations::default(),
        }
    }

    /// The same pass over sequences of these lengths.
    pub fn with_lengths(self, lengths: Option<Tensor>) -> Self {
        Self { lengths, ..self }
    }

    /// The same pass under this condition.
    pub fn with_condition(&self, condition: Option<Tensor>) -> Self {
        let lengths = self.lengths.as_ref().map(Tensor::shallow_clone);
        Self { lengths, condition, ..*self }
    }

    /// The same pass with another answer to what becomes of the activations.
    pub fn with_activations(&self, activations: Activations) -> Self {
        let condition = self.condition.as_ref().map(Tensor::shallow_clone);
        Self { activations, ..self.with_condition(condition) }
    }
}

/// A map of sequences (B, H, L) to sequences of the same length and, but for what takes codes and
/// gives scores, as many channels.
pub trait SequenceLayer: std::fmt::Debug {
    /// Applies the layer to whole sequences.
    ///
    /// # Errors
    /// If the input does not fit the layer.
    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor>;

    /// Applies the layer to the continuation of sequences that left it in `state`; returns the
    /// outputs and the next state. Equal to one forward pass over the joined sequence.
    ///
    /// # Errors
    /// If the layer is not causal.
    fn forward_with_state(&self, x: &Tensor, state: &State, pass: &Pass)
    -> Result<(Tensor, State)>;

    /// The state of `batch` sequences before their first input.
    ///
    /// # Errors
    /// If the layer is not causal.
    fn default_state(&self, batch: i64) -> Result<State>;

    /// The layer as a recurrence with steps of `rate`·Δ, prepared once for many steps.
    ///
    /// # Errors
    /// If the layer is not causal.
    fn stepper(&self, mode: StepMode, rate: f64) -> Result<Box<dyn Stepper + '_>>;

    /// Whether the layer takes and returns activations in bfloat16 where there are kernels
    /// ([`crate::gpu`]) and [`Pass::dense`] asks for it. Parameters and states are not concerned.
    fn takes_bf16(&self) -> bool {
        false
    }

    /// The sequences after each of the layers that it consists of, of which the last is the output; that
    /// alone, where it does not consist of layers of one resolution.
    ///
    /// # Errors
    /// If the input does not fit.
    fn layers(&self, x: &Tensor, pass: &Pass) -> Result<Vec<Tensor>> {
        Ok(vec![self.forward(x, pass)?])
    }

    /// Number of tensors of a state.
    fn state_len(&self) -> usize;

    /// Calls `see` with every part that has something to show and its place, which is `place` or below
    /// it.
    fn visit<'a>(&'a self, place: Place, see: &mut dyn FnMut(Place, &'a dyn Inspect)) {
        let _ = (place, see);
    }

    /// Sequences that carry a state on are multiples of this many positions long.
    fn stride(&self) -> i64 {
        1
    }
}

/// Checks that `x` is (B, H, L) with `width` channels and at least one position.
///
/// # Errors
/// With the shapes that are expected and found.
pub fn check_sequences(x: &Tensor, width: i64) -> Result<()> {
    let shape = x.size();
    ensure!(
        shape.len() == 3 && shape[1] == width && shape[2] >= 1,
        "expected sequences (batch, {width}, length), got {shape:?}"
    );
    Ok(())
}

/// Refuses to carry a state on where a layer looks ahead.
///
/// # Errors
/// If it is `bidirectional`.
pub fn check_causal(bidirectional: bool) -> Result<()> {
    ensure!(!bidirectional, "a bidirectional layer has no state: it needs the whole input");
    Ok(())
}

/// Every kernel of the layers, in variants that stand for all.
pub(crate) fn gpu_kernels() -> Vec<cuda::Kernel> {
    [glu::kernels(), batch_norm::kernels(), column_norm::kernels()].concat()
}

/// A layer, one position at a time.
pub trait Stepper: std::fmt::Debug {
    /// From the input (B, H) and the state to the output (B, H) and the next state.
    fn step(&self, x: &Tensor, state: &State) -> (Tensor, State);
}

/// What a causal layer remembers: one tensor for every recurrent part, in order.
pub type State = Vec<Tensor>;
