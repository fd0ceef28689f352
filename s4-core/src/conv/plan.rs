//! Which convolution, and in what chunks: the one place where that is decided.

use derive_more::Display;
use s4_config::Convolution;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display)]
pub enum Plan {
    /// By FFT.
    #[display("by FFT")]
    Fft,
    /// In chunks of this many inputs.
    #[display("in chunks of {_0}")]
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
    /// Whether it goes on from a state and leaves one.
    pub carries: bool,
}

/// What does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// A CPU.
    Cpu,
    /// A GPU with kernels of our own for this size; products are in float32 (or float64), or `reduced`
    /// to TF32 or bfloat16.
    Kernels {
        /// Whether products round their factors.
        reduced: bool,
    },
    /// A GPU by libtorch's operations alone: the states would take some launches a chunk.
    Tensors,
}

/// The plan for sequences of that size.
pub fn plan(convolution: Convolution, size: Size, engine: Engine) -> Plan {
    match convolution {
        Convolution::Fft => Plan::Fft,
        Convolution::Chunked => Plan::Chunks(chunk(size, engine)),
        Convolution::Auto if chunks_are_faster(size, engine) => Plan::Chunks(chunk(size, engine)),
        Convolution::Auto => Plan::Fft,
    }
}

/// On a CPU, forward and backward: below this length a kernel and an FFT are less work than the
/// matrices of the chunks. (256 channels, 64 states, one sequence, milliseconds on one core, FFT with
/// its kernel against the best chunks; S4: 36 and 45 at 1,024, 67 and 52 at 2,048, 125 and 70 at 4,096;
/// S4D: 14 and 17, 33 and 23, 76 and 36.)
const SHORT: i64 = 2048;
/// Above so many states a kernel and an FFT are less work at all lengths that were measured.
const MANY: i64 = 64;

/// A state makes chunks the faster of the two on a CPU at any length: they have it anyhow, while beside
/// an FFT its response and the next one are made for all positions. (Four blocks of 128 channels, 32
/// states, 16 streams of 256 positions, S4D, steps of training in a second on one core: 5.8 against 2.6.)
/// Many states are better off with the kernel on a CPU, which costs N a position where those between chunks cost
/// N² a chunk. (64 channels, one sequence, S4, the same: with 128 states 3.0 against 2.1 at 2,048, 0.9 and 0.9 at
/// 16,384; with 256 states 2.6 against 0.6, 0.5 and 0.2.) On a GPU (docs/results/gpu.md) chunks are matrix
/// products on tensor cores and one launch for all states.
fn chunks_are_faster(size: Size, engine: Engine) -> bool {
    match engine {
        Engine::Cpu => size.carries || size.len >= SHORT && size.states <= MANY,
        Engine::Kernels { .. } => true,
        Engine::Tensors => false,
    }
}

fn chunk(size: Size, engine: Engine) -> i64 {
    match engine {
        // As measured on an H200. The powers of a chunk and the states between chunks are both made
        // one after another, so that the best chunk grows with the root of the length; the Toeplitz
        // matrix costs little where tensor cores multiply.
        Engine::Kernels { reduced: true } if size.len >= 8192 => even_chunk(size.len, 256),
        Engine::Kernels { .. } => even_chunk(size.len, 128),
        Engine::Cpu | Engine::Tensors => chunk_of_least_work(size),
    }
}

/// The longest chunk up to `most` that is a multiple of 16, as tensor cores like it, and divides the
/// length, so that nothing has to be padded; failing that, one that pads little.
fn even_chunk(len: i64, most: i64) -> i64 {
    let sixteens = |x: i64| (x + 15) / 16 * 16;
    let divides = (most / 4..=most).rev().find(|chunk| chunk % 16 == 0 && len % chunk == 0);
    divides.unwrap_or_else(|| {
        let count = (len + most - 1) / most;
        sixteens((len + count - 1) / count)
    })
}

/// The chunk length of the least work, in multiplications of the Toeplitz product. What a step of the
/// states in float64 and the matrices cost beside it was fitted to times with 64 states, at lengths
/// from 1,024 to 16,384.
fn chunk_of_least_work(size: Size) -> i64 {
    let directions = if size.bidirectional { 2 } else { 1 };
    let square = size.states * size.states;
    let work = |chunk: i64| {
        let chunks = (size.len + chunk - 1) / chunk;
        // A Toeplitz product, states in and out, and each state's step.
        let per_chunk = chunk * (chunk + 2 * directions * size.states) + 4 * directions * square;
        let matrices = if size.diagonal { 8 } else { 16 } * square * chunk;
        chunks * per_chunk + matrices
    };
    let candidates = [16, 32, 64, 128];
    candidates.into_iter().min_by_key(|&chunk| work(chunk)).expect("some candidates")
}

/// The choices of many blocks in one line: `in chunks of 64 (6 blocks), by FFT (2 blocks)`.
pub fn summary(choices: &[(String, String)]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for (_, choice) in choices {
        match counts.iter_mut().find(|(known, _)| known == choice) {
            Some((_, count)) => *count += 1,
            None => counts.push((choice, 1)),
        }
    }
    let count = |(choice, count): &(&str, usize)| match count {
        1 => format!("{choice} (1 block)"),
        _ => format!("{choice} ({count} blocks)"),
    };
    counts.iter().map(count).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGINES: [Engine; 4] = [
        Engine::Cpu,
        Engine::Kernels { reduced: false },
        Engine::Kernels { reduced: true },
        Engine::Tensors,
    ];

    fn size(len: i64, diagonal: bool) -> Size {
        Size { len, states: 64, bidirectional: false, diagonal, carries: false }
    }

    #[test]
    fn what_is_asked_for_is_done() {
        for engine in ENGINES {
            for len in [1, 100, 100_000] {
                assert_eq!(plan(Convolution::Fft, size(len, false), engine), Plan::Fft);
                let plan = plan(Convolution::Chunked, size(len, true), engine);
                assert!(matches!(plan, Plan::Chunks(chunk) if chunk >= 16), "{plan:?}");
            }
        }
    }

    /// As measured with 64 states.
    #[test]
    fn long_sequences_go_in_chunks() {
        let auto = |size, engine| plan(Convolution::Auto, size, engine);
        for (len, s4, s4d) in [
            (784, Plan::Fft, Plan::Fft),
            (1024, Plan::Fft, Plan::Fft),
            (4096, Plan::Chunks(32), Plan::Chunks(32)),
            (16_384, Plan::Chunks(64), Plan::Chunks(64)),
            (1 << 20, Plan::Chunks(128), Plan::Chunks(128)),
        ] {
            assert_eq!(auto(size(len, false), Engine::Cpu), s4, "{len}");
            assert_eq!(auto(size(len, true), Engine::Cpu), s4d, "{len}");
            assert_eq!(auto(size(len, false), Engine::Tensors), Plan::Fft);
        }
        let carries = Size { carries: true, ..size(256, true) };
        assert_eq!(auto(carries, Engine::Cpu), Plan::Chunks(chunk(carries, Engine::Cpu)));
        for diagonal in [false, true] {
            let many = Size { states: 128, ..size(16_384, diagonal) };
            assert_eq!(auto(many, Engine::Cpu), Plan::Fft);
            assert_eq!(auto(size(16_384, diagonal), ENGINES[1]), Plan::Chunks(128));
            assert_eq!(auto(size(16_384, diagonal), ENGINES[2]), Plan::Chunks(256));
        }
    }

    #[test]
    fn chunks_divide_the_length_where_they_can() {
        for (len, most, chunk) in [
            (16_384, 256, 256),
            (784, 128, 112),
            (784, 256, 112),
            (16_000, 128, 128),
            (1000, 128, 128), // 8 chunks of 125, in sixteens
            (17, 128, 32),
            (1, 256, 16),
        ] {
            assert_eq!(even_chunk(len, most), chunk, "{len} {most}");
        }
    }

    #[test]
    fn short_sequences_have_short_chunks() {
        assert_eq!(chunk(size(3, false), Engine::Cpu), 16);
    }

    #[test]
    fn choices_are_counted() {
        let choice = |text: &str| (String::new(), text.to_owned());
        let choices = ["by FFT", "in chunks of 64", "by FFT"].map(choice);
        assert_eq!(summary(&choices), "by FFT (2 blocks), in chunks of 64 (1 block)");
        assert_eq!(summary(&[]), "");
    }
}
