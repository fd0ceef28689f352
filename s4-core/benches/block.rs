//! Time and memory of a whole S4 block: kernel, convolution, GELU, GLU.
//!
//! ```text
//! cargo bench -p s4-core --bench block --profile dev [-- [--quick] [--json FILE] [--out DIR]
//!     [--device cpu|cuda|cuda:N] [FILTER]]
//! ```
//!
//! FILTER keeps the entries whose name, such as `s4/backward/1/16384/paper`, contains it. `backward`
//! is forward and backward, for the gradients of the input and of all parameters. The baseline is
//! the same block with its kernel as in the papers (Cauchy product, Vandermonde sum) in libtorch
//! operations.
//!
//! Both are compared with the machine's arithmetic, with the FLOP that `support/work.rs` counts.

mod support;
#[path = "support/work.rs"]
mod work;

use anyhow::{Result, bail};
use measure::{Bound, Entry, Measured, Role, Session, Table, Task, Work};
use s4_config::{KernelMethod, S4BlockConfig};

use s4_core::layer::dropout::Dropout;
use s4_core::layer::s4_block::S4Block;
use s4_core::layer::{Pass, SequenceLayer};
use s4_core::params::ParamStore;
use serde_json::json;
use support::{CHANNELS, STATES, libtorch};
use tch::{Device, Kind, Tensor};
use work::{BlockSize, forward_flop};

const MODELS: [(&str, &str); 2] =
    [("s4", "Block of S4 (diagonal plus low rank)"), ("s4d", "Block of S4D")];
const BASELINE: &str = "paper";
/// Sequences side by side, and how long they are: a batch costs what it costs at one length.
const BATCH: i64 = 4;
const BATCH_LENGTH: i64 = 16_384;

fn main() -> Result<()> {
    // As the programs do.
    s4_core::heap::keep_freed_pages();
    match measure::role("block", &[support::device::OPTION])? {
        Role::Bystander => Ok(()),
        Role::Child(task) => child(&task),
        Role::Bench(session) => bench(*session),
    }
}

fn bench(mut session: Session) -> Result<()> {
    support::describe(&mut session, 5.0)?;
    for (model, title) in MODELS {
        let lengths = support::lengths(&session);
        let batched = lengths.iter().copied().rfind(|&l| l <= BATCH_LENGTH);
        let mut entries = Vec::new();
        for operation in ["forward", "backward"] {
            let singles = lengths.iter().map(|&length| (1, length));
            for (batch, length) in singles.chain(batched.map(|length| (BATCH, length))) {
                for method in [BASELINE, "block-powers"] {
                    entries.push(entry(model, operation, batch, length, method));
                }
            }
        }
        session.table(&Table::new(title, &["operation", "batch", "L", "method"]), &entries)?;
    }
    session.finish()
}

fn entry(model: &str, operation: &str, batch: i64, length: i64, method: &str) -> Entry {
    let name = |l: i64, method: &str| format!("{model}/{operation}/{batch}/{l}/{method}");
    let passes = if operation == "forward" { 1.0 } else { 3.0 };
    let size = BlockSize {
        batch,
        channels: CHANNELS,
        states: STATES,
        length,
        kernels: 1,
        outputs: 2 * CHANNELS,
    };
    let labels = [operation.to_owned(), batch.to_string(), length.to_string(), method.to_owned()];
    let entry = Entry::new(model, labels)
        .against(name(length, BASELINE))
        .work(Work { bound: Bound::Arithmetic, amount: passes * forward_flop(size) })
        .limit(20.0);
    match support::shorter(length) {
        Some(shorter) if batch == 1 => entry.after(name(shorter, method)),
        None if batch == 1 => entry,
        _ => entry.like(format!("{model}/{operation}/1/{length}/{method}")),
    }
}

fn child(task: &Task) -> Result<()> {
    let device = support::device::device(task.setting(support::device::OPTION))?;
    tch::manual_seed(1);
    let parts: Vec<&str> = task.name().split('/').collect();
    match parts[..] {
        _ if task.name() == libtorch::PEAK => task.answer(&libtorch::peak(task, device)?),
        [model, operation, batch, length, method] => {
            let method: KernelMethod = serde_json::from_value(json!(method))?;
            let block = Block::new(model, method, device)?;
            task.answer(&block.time(task, operation, batch.parse()?, length.parse()?)?)
        }
        _ => bail!("there is no entry {}", task.name()),
    }
}

struct Block {
    store: ParamStore,
    block: S4Block,
    pass: Pass,
}

impl Block {
    fn new(model: &str, kernel: KernelMethod, device: Device) -> Result<Self> {
        let mut store = ParamStore::new(device, Kind::Float);
        let config = S4BlockConfig { ssm: support::config(model)?, ..S4BlockConfig::default() };
        let dropout = Dropout { p: 0.0, tied: true };
        let block = S4Block::new(&mut store.root(), CHANNELS, &config, dropout)?;
        Ok(Self { store, block, pass: Pass { kernel, ..Pass::train() } })
    }

    fn time(self, task: &Task, operation: &str, batch: i64, length: i64) -> Result<Measured> {
        let device = self.store.device();
        let run = |x: &Tensor| match operation {
            "forward" => tch::no_grad(|| self.block.forward(x, &self.pass)).map(drop),
            "backward" => {
                self.store.zero_grad();
                let x = x.detach().set_requires_grad(true);
                self.block.forward(&x, &self.pass)?.sum(Kind::Float).f_backward()?;
                Ok(())
            }
            other => bail!("there is no operation {other}"),
        };
        let draw = |l: i64| Tensor::f_randn([batch, CHANNELS, l], (Kind::Float, device));
        // Thread pools, FFT plans and the first pages are nobody's memory.
        run(&draw(32)?)?;
        let x = draw(length)?;
        support::time(task, device, || run(&x))
    }
}
