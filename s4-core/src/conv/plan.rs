//! Which convolution, and in what chunks: the one place where that is decided.

use std::fmt;

use serde::{Deserialize, Serialize};
use tch::Device;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Convolution {
    /// What is faster, by measurement.
    #[default]
    Auto,
    /// By FFT with a kernel of the sequence's length.
    Fft,
    /// Chunk by chunk.
    Chunked,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// By FFT.
    Fft,
    /// In chunks of this many inputs.
    Chunks(i64),
}

/// What it depends on.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Length L of the sequences.
    pub len: i64,
    /// Real states N of a system.
    pub states: i64,
    /// Whether half of the outputs look ahead.
    pub bidirectional: bool,
    /// Whether Ā is diagonal (S4D).
    pub diagonal: bool,
}

impl Convolution {
    /// The plan for sequences on `device`.
    pub fn plan(self, size: Size, device: Device) -> Plan {
        match self {
            Convolution::Fft => Plan::Fft,
            Convolution::Chunked => Plan::Chunks(chunk(size)),
            Convolution::Auto if chunks_are_faster(size, device) => Plan::Chunks(chunk(size)),
            Convolution::Auto => Plan::Fft,
        }
    }
}

/// On two CPU cores, forward and backward (docs/results/bench/convolution.md): the kernel that an FFT
/// needs is cheap for S4D, so that short sequences and many states are better off with it; S4's costs
/// more than all of the chunks' matrices. On CUDA the states would take a launch a chunk.
fn chunks_are_faster(size: Size, device: Device) -> bool {
    device == Device::Cpu && (!size.diagonal || (size.len >= 4096 && size.states <= 64))
}

/// The chunk length of the fewest operations.
fn chunk(size: Size) -> i64 {
    let directions = if size.bidirectional { 2 } else { 1 };
    let operations = |chunk: i64| {
        let chunks = (size.len + chunk - 1) / chunk;
        // A Toeplitz product, states in and out, and each state's step.
        let per_chunk =
            chunk * (chunk + 2 * directions * size.states) + directions * size.states * size.states;
        chunks * per_chunk
    };
    let candidates = [16, 32, 64, 128];
    candidates.into_iter().min_by_key(|&chunk| operations(chunk)).expect("some candidates")
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Plan::Fft => f.write_str("by FFT"),
            Plan::Chunks(chunk) => write!(f, "in chunks of {chunk}"),
        }
    }
}
