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
pub mod linear;
pub mod mask;
pub mod norm;
pub mod residual;
mod rows;
pub mod s4_block;
pub mod stack;

use anyhow::Result;
use tch::Tensor;

use crate::kernel::KernelMethod;
use crate::recurrence::StepMode;

use linear::DenseKind;

/// The circumstances of one forward pass.
#[derive(Debug)]
pub struct Pass {
    /// Whether dropout drops and batch norm uses and tracks the batch's statistics.
    pub train: bool,
    /// Number of valid positions of each sequence, (B) int64 on the model's device; absent: all.
    pub lengths: Option<Tensor>,
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

    /// The same pass with another answer to what becomes of the activations.
    pub fn with_activations(&self, activations: Activations) -> Self {
        let lengths = self.lengths.as_ref().map(Tensor::shallow_clone);
        Self { lengths, activations, ..*self }
    }
}

/// A map of sequences (B, H, L) to sequences of the same shape.
pub trait SequenceLayer: std::fmt::Debug {
    /// Applies the layer to whole sequences.
    ///
    /// # Errors
    /// If the input does not fit the layer.
    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor>;

    /// Applies the layer to the continuation of sequences that left it in `state`; gives the
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

    /// Whether the layer takes and gives activations in bfloat16 where there are kernels
    /// ([`crate::gpu`]) and [`Pass::dense`] asks for it. Parameters and states are not concerned.
    fn takes_bf16(&self) -> bool {
        false
    }

    /// What the layer chooses for sequences of `len` inputs: (name, choice).
    fn explain(&self, len: i64, pass: &Pass) -> Vec<(String, String)> {
        let _ = (len, pass);
        Vec::new()
    }

    /// What there is to look at while the layer trains: (name, values), e.g. step sizes Δ and
    /// Re A as float64 tensors of any shape.
    fn spectra(&self) -> Vec<(String, Tensor)> {
        Vec::new()
    }

    /// The largest |eigenvalue| of Ā of each channel at rate 1, (H) float64, for a layer with a
    /// recurrence. Above 1 its state grows without bound.
    ///
    /// # Errors
    /// If the eigenvalues cannot be computed.
    fn spectral_radius(&self) -> Result<Option<Tensor>> {
        Ok(None)
    }

    /// Learned convolution kernels to look at: (name, channels x values), the first few channels
    /// and values of each.
    fn kernels(&self) -> Vec<(String, Tensor)> {
        Vec::new()
    }
}

/// Every kernel of the layers, in variants that stand for all.
pub(crate) fn gpu_kernels() -> Vec<cuda::Kernel> {
    [glu::kernels(), batch_norm::kernels(), column_norm::kernels()].concat()
}

/// A layer, one position at a time.
pub trait Stepper: std::fmt::Debug {
    /// Input (B, H) and state give the output (B, H) and the next state.
    fn step(&self, x: &Tensor, state: &State) -> (Tensor, State);
}

/// What a causal layer remembers: one tensor for every recurrent part, in order.
pub type State = Vec<Tensor>;
