//! Time and memory of a long convolution y = K * u, method by method.
//!
//! ```text
//! cargo bench -p s4-core --bench convolution --profile dev [-- [--quick] [--json FILE] [--out DIR]
//!     [--device cpu|cuda|cuda:N] [FILTER]]
//! ```
//!
//! FILTER keeps the entries whose name, such as `conv/forward/1/16384/fft`, contains it. Inputs u
//! are (B, H, L); the kernel (H, L) of an S4 layer is there. `backward` is forward and backward, for
//! the gradients of u and of the kernel (`chunked`: of C, from which it makes the kernel itself).
//!
//! * `direct`, the baseline: FFTs of size 2 L, a product, an inverse FFT, as plain libtorch
//!   operations with its own gradients.
//! * `fft`: this crate's.
//! * `chunked`: this crate's, chunk by chunk with the state in between.
//!
//! What they are compared with. The FFTs: the bandwidth of memory, with every tensor read or written
//! once in float32, 4 H L (2 B + 1) bytes forward (u, K, y) and 4 H L (5 B + 3) with the gradients
//! (and once more K and u, and of y, u and K the gradients). Chunks of T inputs: arithmetic, with
//! 2 B H L (T + 2 N + N²/T) FLOP forward (within a chunk, from and to the state, from state to
//! state), three times as much with the gradients.

mod support;

use anyhow::{Result, bail};
use measure::{Bound, Entry, Measured, Role, Session, Table, Task, Work};
use s4_config::KernelMethod;
use s4_core::conv::{chunked, fft};

use s4_core::params::ParamStore;
use s4_core::ssm::discrete::DiscreteSsm;
use s4_core::ssm::parameters::SsmParameters;
use support::{CHANNELS, STATES, libtorch};
use tch::{Device, Kind, Tensor};

/// Batch sizes and the longest sequences of each.
const BATCHES: [(i64, i64); 2] = [(1, 1_048_576), (4, 65_536)];
const BASELINE: &str = "direct";
const METHODS: [&str; 3] = [BASELINE, "fft", "chunked"];
/// Inputs T of a chunk.
const CHUNK: i64 = 64;

/// u and K by FFT in plain libtorch operations.
fn direct(u: &Tensor, k: &Tensor) -> Result<Tensor> {
    let length = u.size()[2];
    let spectrum =
        u.f_fft_rfft(2 * length, -1, "backward")? * k.f_fft_rfft(2 * length, -1, "backward")?;
    Ok(spectrum.f_fft_irfft(2 * length, -1, "backward")?.narrow(-1, 0, length))
}

/// By this crate's FFT; K is (1, H, L).
fn by_fft(u: &Tensor, k: &Tensor) -> Result<Tensor> {
    fft::causal(u, k, None)
}

/// By this crate's chunks, from a state of zeros.
fn by_chunks(u: &Tensor, system: &DiscreteSsm) -> Result<Tensor> {
    let state = Tensor::zeros([u.size()[0], CHANNELS, STATES], (Kind::Float, u.device()));
    Ok(chunked::convolve(system, u, &state, None, CHUNK)?.0)
}

fn main() -> Result<()> {
    // As the programs do.
    s4_core::heap::keep_freed_pages();
    match measure::role("convolution", &[support::device::OPTION])? {
        Role::Bystander => Ok(()),
        Role::Child(task) => child(&task),
        Role::Bench(session) => bench(*session),
    }
}

fn bench(mut session: Session) -> Result<()> {
    support::describe(&mut session, 4.0)?;
    if support::device::device(session.setting(support::device::OPTION))? == Device::Cpu {
        session.measure_bandwidth(); // of the machine's memory
    }
    session.describe("chunk", format!("T = {CHUNK}"));
    let mut entries = Vec::new();
    for operation in ["forward", "backward"] {
        for (batch, longest) in BATCHES {
            for &length in support::lengths(&session).iter().filter(|&&l| l <= longest) {
                for method in METHODS {
                    entries.push(entry(operation, batch, length, method));
                }
            }
        }
    }
    let table = Table::new(
        "Convolution with a kernel of the input's length",
        &["operation", "batch", "L", "method"],
    );
    session.table(&table, &entries)?;
    session.finish()
}

fn entry(operation: &str, batch: i64, length: i64, method: &str) -> Entry {
    let name = |l: i64, method: &str| format!("conv/{operation}/{batch}/{l}/{method}");
    let work = work(operation == "backward", batch, length, method);
    let labels = [operation.to_owned(), batch.to_string(), length.to_string(), method.to_owned()];
    let entry = Entry::new("conv", labels).against(name(length, BASELINE)).work(work);
    match support::shorter(length) {
        Some(shorter) => entry.after(name(shorter, method)),
        None => entry,
    }
}

/// As this file's first lines say.
fn work(has_backward: bool, batch: i64, length: i64, method: &str) -> Work {
    if method == "chunked" {
        let passes = if has_backward { 3 } else { 1 };
        let a_value = 2 * (CHUNK + 2 * STATES + STATES * STATES / CHUNK);
        let flop = passes * batch * CHANNELS * length * a_value;
        Work { bound: Bound::Arithmetic, amount: flop as f64 }
    } else {
        let tensors = if has_backward { 5 * batch + 3 } else { 2 * batch + 1 };
        Work { bound: Bound::Memory, amount: (4 * CHANNELS * length * tensors) as f64 }
    }
}

fn child(task: &Task) -> Result<()> {
    let device = support::device::device(task.setting(support::device::OPTION))?;
    tch::manual_seed(1);
    let parts: Vec<&str> = task.name().split('/').collect();
    match parts[..] {
        _ if task.name() == libtorch::PEAK => task.answer(&libtorch::peak(task, device)?),
        ["conv", operation, batch, length, method] => {
            let size = (batch.parse()?, length.parse()?);
            task.answer(&time(task, device, operation, size, method)?)
        }
        _ => bail!("there is no entry {}", task.name()),
    }
}

fn time(
    task: &Task,
    device: Device,
    operation: &str,
    (batch, length): (i64, i64),
    method: &str,
) -> Result<Measured> {
    let mut store = ParamStore::new(device, Kind::Float);
    let config = support::config("s4")?;
    let parameters = SsmParameters::new(&mut store.root(), CHANNELS, 1, &config)?;
    let ssm = parameters.ssm(1.0);
    let _guard = tch::no_grad_guard();
    let inputs = |length: i64| -> Result<(Tensor, Tensor, DiscreteSsm)> {
        let u = Tensor::f_randn([batch, CHANNELS, length], (Kind::Float, device))?;
        let k = ssm.kernel(length, KernelMethod::BlockPowers, Kind::Float)?;
        Ok((u, k, ssm.discretise(length)?))
    };
    let run = |(u, k, system): &mut (Tensor, Tensor, DiscreteSsm)| -> Result<()> {
        let output = |u: &Tensor, k: &Tensor, system: &DiscreteSsm| match method {
            "direct" => direct(u, &k.squeeze_dim(0)),
            "fft" => by_fft(u, k),
            "chunked" => by_chunks(u, system),
            other => bail!("there is no method {other}"),
        };
        match operation {
            "forward" => output(u, k, system).map(drop),
            "backward" => tch::with_grad(|| {
                let leaf = |x: &Tensor| x.detach().set_requires_grad(true);
                system.c = leaf(&system.c);
                output(&leaf(u), &leaf(k), system)?.sum(Kind::Float).f_backward()?;
                Ok(())
            }),
            other => bail!("there is no operation {other}"),
        }
    };
    // Thread pools, FFT plans and the first pages are nobody's memory.
    run(&mut inputs(2 * CHUNK)?)?;
    let mut inputs = inputs(length)?;
    support::time(task, device, || run(&mut inputs))
}
