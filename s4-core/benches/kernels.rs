//! Time, memory and precision of convolution kernels, method by method.
//!
//! ```text
//! cargo bench -p s4-core --bench kernels --profile dev [-- [--quick] [--json FILE] [--out DIR]
//!     [--device cpu|cuda|cuda:N] [FILTER]]
//! ```
//!
//! FILTER keeps the entries whose name, such as `s4/forward/16384/paper`, contains it. `forward`
//! makes the kernels of H channels from the parameters, `backward` also their gradients. The
//! baseline is the papers' algorithm (Cauchy product, Vandermonde sum) in libtorch operations; it
//! is this crate's, which forms its nodes in float64, slower than the official code and more exact.
//!
//! All methods are compared with the machine's arithmetic with the same count of FLOP, that of the
//! sum K[l] = c Āˡ b̄ where all powers are there: 2 H N L forward, and three times that with the
//! gradients.

mod support;

use s4_config::KernelMethod;
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use measure::{Bound, Entry, Measured, Role, Session, Table, Task, Work};

use s4_core::params::ParamStore;
use s4_core::ssm::parameters::SsmParameters;
use serde_json::{Value, json};
use support::{CHANNELS, STATES, libtorch};
use tch::{Device, Kind, Tensor};

/// Channels on which precision is measured, against the papers' algorithm in float64.
const PRECISION_CHANNELS: i64 = 4;
/// The longest kernels of which that is done.
const PRECISION_LENGTH: i64 = 65_536;
const MODELS: [(&str, &str); 2] = [("s4", "S4 (diagonal plus low rank)"), ("s4d", "S4D")];
const BASELINE: &str = "paper";

fn main() -> Result<()> {
    // As the programs do.
    s4_core::heap::keep_freed_pages();
    match measure::role("kernels", &[support::device::OPTION])? {
        Role::Bystander => Ok(()),
        Role::Child(task) => child(&task),
        Role::Bench(session) => bench(*session),
    }
}

fn bench(mut session: Session) -> Result<()> {
    support::describe(&mut session, 3.5)?;
    for (model, title) in MODELS {
        let entries = entries(model, &session);
        session.table(&Table::new(title, &["operation", "L", "method"]), &entries)?;
    }
    precision(&mut session)?;
    session.finish()
}

/// Baselines come before what is compared with them, short sequences before long ones.
fn entries(model: &str, session: &Session) -> Vec<Entry> {
    let mut entries = Vec::new();
    for operation in ["forward", "backward"] {
        for &length in support::lengths(session) {
            for method in ["naive", BASELINE, "block-powers"] {
                // The tape of a step-by-step kernel would fill the memory.
                if method == "naive" && operation == "backward" {
                    continue;
                }
                let name = |l: i64, method: &str| format!("{model}/{operation}/{l}/{method}");
                let passes = if operation == "forward" { 1 } else { 3 };
                let flop = passes * 2 * CHANNELS * STATES * length;
                let work = Work { bound: Bound::Arithmetic, amount: flop as f64 };
                let length_label = length.to_string();
                let mut entry = Entry::new(model, [operation, &length_label, method])
                    .against(name(length, BASELINE))
                    .work(work)
                    .limit(if method == "naive" { 3.0 } else { 10.0 });
                if let Some(shorter) = support::shorter(length) {
                    entry = entry.after(name(shorter, method));
                }
                entries.push(entry);
            }
        }
    }
    entries
}

/// Relative errors of the float32 kernels, by length and method.
fn precision(session: &mut Session) -> Result<()> {
    let mut records = Vec::new();
    let mut rows = String::new();
    for (model, _) in MODELS {
        let lengths = support::lengths(session).iter().filter(|&&l| l <= PRECISION_LENGTH);
        for &length in lengths {
            let name = format!("{model}/precision/{length}");
            if !session.wants(&name) {
                continue;
            }
            match session.ask::<Value>(&name, Duration::from_secs(60)) {
                Ok(answer) => {
                    let error = |method: &str| answer[method].as_f64().unwrap_or(f64::NAN);
                    let (ours, papers) = (error("block-powers"), error(BASELINE));
                    writeln!(rows, "| {model} | {length} | {ours:.1e} | {papers:.1e} |")?;
                    records.push(json!({"model": model, "length": length, "error": answer}));
                }
                Err(error) => {
                    writeln!(rows, "| {model} | {length} | skipped: {error:#} | |")?;
                    let skipped = format!("{error:#}");
                    records.push(json!({"model": model, "length": length, "skipped": skipped}));
                }
            }
        }
    }
    if !rows.is_empty() {
        let text = format!(
            "### Relative error of float32 kernels against float64\n\n\
             Norm of the difference over norm; {PRECISION_CHANNELS} channels.\n\n\
             | model | L | block-powers | {BASELINE} |\n|---|---:|---:|---:|\n{rows}"
        );
        session.section("precision", &text, records.into())?;
    }
    Ok(())
}

fn child(task: &Task) -> Result<()> {
    let device = support::device::device(task.setting(support::device::OPTION))?;
    tch::manual_seed(1);
    let parts: Vec<&str> = task.name().split('/').collect();
    match parts[..] {
        _ if task.name() == libtorch::PEAK => task.answer(&libtorch::peak(task, device)?),
        [model, "precision", length] => task.answer(&errors(model, length.parse()?, device)?),
        [model, operation, length, method] => {
            let method: KernelMethod = serde_json::from_value(json!(method))?;
            let systems = Systems::new(model, CHANNELS, device)?;
            task.answer(&time(task, &systems, operation, length.parse()?, method)?)
        }
        _ => bail!("there is no entry {}", task.name()),
    }
}

fn time(
    task: &Task,
    systems: &Systems,
    operation: &str,
    length: i64,
    method: KernelMethod,
) -> Result<Measured> {
    let device = systems.store.device();
    let run = |length: i64| match operation {
        "forward" => tch::no_grad(|| systems.kernel(length, method, Kind::Float)).map(drop),
        "backward" => {
            systems.store.zero_grad();
            systems.kernel(length, method, Kind::Float)?.sum(Kind::Float).f_backward()?;
            Ok(())
        }
        other => bail!("there is no operation {other}"),
    };
    // Thread pools, FFT plans and the first pages are nobody's memory.
    run(32)?;
    support::time(task, device, || run(length))
}

fn errors(model: &str, length: i64, device: Device) -> Result<Value> {
    let _guard = tch::no_grad_guard();
    let systems = Systems::new(model, PRECISION_CHANNELS, device)?;
    let reference = systems.kernel(length, KernelMethod::Paper, Kind::Double)?;
    let error = |method| -> Result<f64> {
        let k = systems.kernel(length, method, Kind::Float)?.to_kind(Kind::Double);
        Ok((k - &reference).norm().double_value(&[]) / reference.norm().double_value(&[]))
    };
    let ours = error(KernelMethod::BlockPowers).context("block powers")?;
    Ok(json!({ "block-powers": ours, BASELINE: error(KernelMethod::Paper)? }))
}

/// The SSMs of a layer.
struct Systems {
    store: ParamStore,
    parameters: SsmParameters,
}

impl Systems {
    fn new(model: &str, channels: i64, device: Device) -> Result<Self> {
        let mut store = ParamStore::new(device, Kind::Float);
        let config = support::config(model)?;
        let parameters = SsmParameters::new(&mut store.root(), channels, 1, &config)?;
        Ok(Self { store, parameters })
    }

    fn kernel(&self, length: i64, method: KernelMethod, kind: Kind) -> Result<Tensor> {
        self.parameters.ssm(1.0).kernel(length, method, kind)
    }
}
