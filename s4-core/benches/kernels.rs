//! Time, peak memory and precision of S4 and S4D layers, method by method.
//!
//! ```text
//! cargo bench -p s4-core [-- [--quick] [--json FILE] [FILTER]]
//! ```
//!
//! Prints Markdown. FILTER keeps the entries whose name, such as `s4/forward/16384/paper`, contains
//! it. Each entry runs in a process of its own, so that one's memory is not another's, and is
//! compared with the papers' algorithm (Cauchy product, Vandermonde sum) in the same run. An entry
//! that would need more memory than there is, or more than a minute, is skipped and says so.
//!
//! The papers' methods are this crate's: they form their nodes in float64, which is slower than the
//! official code and more exact.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use s4_core::kernel::KernelMethod;
use s4_core::layer::dropout::Dropout;
use s4_core::layer::s4_block::{S4Block, S4BlockConfig, Systems};
use s4_core::layer::{Pass, SequenceLayer};
use s4_core::params::ParamStore;
use s4_core::ssm::parameters::SsmConfig;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

/// Channels H, states N and batch size of what is timed.
const CHANNELS: i64 = 256;
const STATES: i64 = 64;
const BATCH: i64 = 1;
/// Channels on which precision is measured, against the papers' algorithm in float64.
const PRECISION_CHANNELS: i64 = 4;
/// Each length is four times the one before.
const LENGTHS: [i64; 4] = [1024, 4096, 16_384, 65_536];
const GROWTH: f64 = 4.0;
const MODELS: [&str; 2] = ["s4", "s4d"];
const OPERATIONS: [&str; 3] = ["kernel", "forward", "backward"];
const METHODS: [&str; 3] = ["naive", "paper", "block-powers"];
const BASELINE: &str = "paper";
/// The share of the available memory that an entry may be expected to take.
const MEMORY_SHARE: f64 = 0.85;
/// What a process may take beyond the timed part: start, parameters, warm-up.
const OVERHEAD: Duration = Duration::from_secs(15);

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Entry {
    model: &'static str,
    operation: &'static str,
    length: i64,
    method: &'static str,
}

/// What a process measured.
#[derive(Debug, Clone)]
struct Measured {
    /// Seconds a run, ascending.
    seconds: Vec<f64>,
    /// Peak of the resident memory above that before the first run.
    peak_bytes: f64,
}

#[derive(Debug, Clone)]
enum Outcome {
    Measured(Measured),
    Skipped(String),
}

fn main() -> Result<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|a| a == "--child") {
        return child(&arguments[1..]);
    }
    // Cargo passes --bench; `cargo test --all-targets` does not, and wants no benchmark.
    if !arguments.iter().any(|a| a == "--bench") {
        eprintln!("This is a benchmark: cargo bench -p s4-core");
        return Ok(());
    }
    arguments.retain(|a| a != "--bench");
    let options = Options::parse(&arguments)?;
    let header = header();
    for (key, value) in &header {
        println!("- {key}: {value}");
    }
    println!(
        "- sizes: H = {CHANNELS}, N = {STATES}, batch {BATCH}, float32{}\n",
        if options.quick { "; quick" } else { "" }
    );

    if load_average().is_some_and(|load| load > 0.5) {
        eprintln!("warning: other programs are running; their share makes these times too long");
    }

    let mut session = Session { quick: options.quick, outcomes: HashMap::new() };
    let mut records = Vec::new();
    for model in MODELS {
        let entries: Vec<Entry> =
            entries(model, options.quick).filter(|e| e.name().contains(&options.filter)).collect();
        if !entries.is_empty() {
            table(&mut session, model, &entries, &mut records);
        }
    }
    let precision = precision(&options)?;
    if let Some(file) = &options.json {
        let header: serde_json::Map<String, Value> =
            header.into_iter().map(|(key, value)| (key.to_owned(), json!(value))).collect();
        let sizes = json!({"H": CHANNELS, "N": STATES, "batch": BATCH, "quick": options.quick});
        let all =
            json!({"header": header, "sizes": sizes, "entries": records, "precision": precision});
        std::fs::write(file, serde_json::to_string_pretty(&all)? + "\n")
            .with_context(|| format!("cannot write {file}"))?;
    }
    Ok(())
}

#[derive(Debug, Default)]
struct Options {
    quick: bool,
    json: Option<String>,
    filter: String,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Options::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.as_str() {
                "--quick" => options.quick = true,
                "--json" => {
                    options.json = Some(rest.next().context("--json needs a file")?.clone());
                }
                flag if flag.starts_with('-') => {
                    bail!("unknown option {flag}; there are --quick, --json FILE and a filter")
                }
                filter => {
                    ensure!(options.filter.is_empty(), "one filter at a time, got {filter:?} too");
                    filter.clone_into(&mut options.filter);
                }
            }
        }
        Ok(options)
    }
}

/// Baselines come before what is compared with them, short sequences before long ones.
fn entries(model: &'static str, quick: bool) -> impl Iterator<Item = Entry> {
    let lengths = if quick { &LENGTHS[..2] } else { &LENGTHS[..] };
    OPERATIONS.into_iter().flat_map(move |operation| {
        lengths.iter().flat_map(move |&length| {
            // A step-by-step kernel is the same in all three, and its tape would fill the memory.
            let methods =
                METHODS.into_iter().filter(move |m| operation == "kernel" || *m != "naive");
            methods.map(move |method| Entry { model, operation, length, method })
        })
    })
}

impl Entry {
    fn name(self) -> String {
        format!("{}/{}/{}/{}", self.model, self.operation, self.length, self.method)
    }

    fn with_method(self, method: &'static str) -> Entry {
        Entry { method, ..self }
    }

    /// The same at the next smaller length.
    fn shorter(self) -> Option<Entry> {
        let at = LENGTHS.iter().position(|&l| l == self.length)?;
        Some(Entry { length: *LENGTHS.get(at.checked_sub(1)?)?, ..self })
    }

    fn limit(self) -> f64 {
        if self.method == "naive" { 20.0 } else { 60.0 }
    }
}

impl Measured {
    fn median(&self) -> f64 {
        let n = self.seconds.len();
        (self.seconds[(n - 1) / 2] + self.seconds[n / 2]) / 2.0
    }
}

impl Outcome {
    fn measured(&self) -> Option<&Measured> {
        match self {
            Outcome::Measured(m) => Some(m),
            Outcome::Skipped(_) => None,
        }
    }
}

/// All that was measured in this run.
struct Session {
    quick: bool,
    outcomes: HashMap<Entry, Outcome>,
}

impl Session {
    /// Measures the entry unless its shorter neighbour foretells that it is too much.
    fn outcome(&mut self, entry: Entry) -> Outcome {
        if let Some(known) = self.outcomes.get(&entry) {
            return known.clone();
        }
        let refusal = entry.shorter().and_then(|shorter| match self.outcome(shorter) {
            Outcome::Measured(m) => too_much(entry, &m),
            Outcome::Skipped(reason) => Some(match reason.strip_prefix("at L = ") {
                Some(_) => reason,
                None => format!("at L = {}: {reason}", shorter.length),
            }),
        });
        let outcome = match refusal {
            Some(reason) => Outcome::Skipped(reason),
            None => {
                eprintln!("{}", entry.name());
                measure(entry, self.quick)
            }
        };
        self.outcomes.insert(entry, outcome.clone());
        outcome
    }
}

/// Why an entry is not run, if its cost grows with the length from that of its neighbour.
fn too_much(entry: Entry, shorter: &Measured) -> Option<String> {
    let seconds = GROWTH * shorter.median();
    if seconds > entry.limit() {
        return Some(format!("would take about {seconds:.0} s"));
    }
    let needed = GROWTH * shorter.peak_bytes;
    let available = available_memory()?;
    (needed > MEMORY_SHARE * available)
        .then(|| format!("would need about {}, {} are available", bytes(needed), bytes(available)))
}

/// Runs the entry in a process of its own.
fn measure(entry: Entry, quick: bool) -> Outcome {
    let arguments = [
        "--child".to_owned(),
        entry.model.to_owned(),
        entry.operation.to_owned(),
        entry.length.to_string(),
        entry.method.to_owned(),
        if quick { "quick" } else { "full" }.to_owned(),
    ];
    // Predictions can err; twice the limit is far enough.
    let limit = Duration::from_secs_f64(2.0 * entry.limit()) + OVERHEAD;
    let answer = run_child(&arguments, limit).and_then(|answer| {
        let seconds = answer["seconds"].as_array().context("seconds")?;
        let mut seconds: Vec<f64> = seconds.iter().filter_map(Value::as_f64).collect();
        ensure!(!seconds.is_empty(), "no run");
        seconds.sort_by(f64::total_cmp);
        let peak_bytes = answer["peak_bytes"].as_f64().context("peak_bytes")?;
        Ok(Measured { seconds, peak_bytes })
    });
    match answer {
        Ok(measured) => Outcome::Measured(measured),
        Err(error) => Outcome::Skipped(format!("{error:#}")),
    }
}

fn run_child(arguments: &[String], limit: Duration) -> Result<Value> {
    let program = std::env::current_exe()?;
    let mut child = Command::new(program).args(arguments).stdout(Stdio::piped()).spawn()?;
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if start.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            bail!("stopped after {:.0} s", limit.as_secs_f64());
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    ensure!(status.success(), "failed ({status}); out of memory?");
    // One line, so it cannot have filled the pipe.
    let mut line = String::new();
    child.stdout.take().context("standard output")?.read_to_string(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}

/// Measures and prints the entries of one model.
fn table(session: &mut Session, model: &str, entries: &[Entry], records: &mut Vec<Value>) {
    let title = if model == "s4" { "S4 (diagonal plus low rank)" } else { "S4D" };
    println!("### {title}\n");
    println!(
        "| operation | L | method | time | speed-up | time at 4 L / L | peak memory | memory ratio |"
    );
    println!("|---|---:|---|---:|---:|---:|---:|---:|");
    let mut skipped = Vec::new();
    for &entry in entries {
        let outcome = session.outcome(entry);
        let baseline = session.outcome(entry.with_method(BASELINE));
        let growth = entry.shorter().map(|shorter| session.outcome(shorter));
        let mut record = json!({
            "name": entry.name(), "model": entry.model, "operation": entry.operation,
            "length": entry.length, "method": entry.method,
        });
        match &outcome {
            Outcome::Skipped(reason) => {
                skipped.push(format!("{}: {reason}", entry.name()));
                record["skipped"] = json!(reason);
                println!(
                    "| {} | {} | {} | skipped | | | | |",
                    entry.operation, entry.length, entry.method
                );
            }
            Outcome::Measured(m) => {
                let baseline = baseline.measured();
                let speedup = baseline.map(|b| b.median() / m.median());
                let memory = baseline.map(|b| m.peak_bytes / b.peak_bytes);
                let growth =
                    growth.as_ref().and_then(Outcome::measured).map(|g| m.median() / g.median());
                let show = |ratio: Option<f64>| match ratio {
                    Some(ratio) => significant(ratio),
                    None => "–".to_owned(),
                };
                println!(
                    "| {} | {} | {} | {} | {} | {} | {} | {} |",
                    entry.operation,
                    entry.length,
                    entry.method,
                    duration(m.median()),
                    show(speedup),
                    show(growth),
                    bytes(m.peak_bytes),
                    show(memory),
                );
                record["median_seconds"] = json!(m.median());
                record["seconds"] = json!(m.seconds);
                record["peak_bytes"] = json!(m.peak_bytes);
                record["speedup"] = json!(speedup);
                record["memory_ratio"] = json!(memory);
                record["growth"] = json!(growth);
            }
        }
        records.push(record);
    }
    println!("\nSpeed-up and memory ratio are against `{BASELINE}` in this run.");
    if !skipped.is_empty() {
        println!("\nSkipped:\n");
        for line in skipped {
            println!("- {line}");
        }
    }
    println!();
}

/// Relative errors of the float32 kernels, by length and method.
fn precision(options: &Options) -> Result<Vec<Value>> {
    let lengths = if options.quick { &LENGTHS[..2] } else { &LENGTHS[..] };
    let mut records = Vec::new();
    let mut text = String::new();
    for model in MODELS {
        for &length in lengths {
            let name = format!("{model}/precision/{length}");
            if !name.contains(&options.filter) {
                continue;
            }
            eprintln!("{name}");
            let arguments = ["--child", model, "precision", &length.to_string()].map(str::to_owned);
            match run_child(&arguments, Duration::from_secs(90)) {
                Ok(answer) => {
                    let error = |method: &str| answer[method].as_f64().unwrap_or(f64::NAN);
                    writeln!(
                        text,
                        "| {model} | {length} | {:.1e} | {:.1e} |",
                        error("block-powers"),
                        error("paper")
                    )?;
                    records.push(json!({"model": model, "length": length, "error": answer}));
                }
                Err(error) => {
                    writeln!(text, "| {model} | {length} | skipped: {error:#} | |")?;
                    let skipped = format!("{error:#}");
                    records.push(json!({"model": model, "length": length, "skipped": skipped}));
                }
            }
        }
    }
    if !text.is_empty() {
        println!("### Relative error of float32 kernels against float64\n");
        println!("Norm of the difference over norm; {PRECISION_CHANNELS} channels.\n");
        println!("| model | L | block-powers | paper |\n|---|---:|---:|---:|\n{text}");
    }
    Ok(records)
}

/// The work of one process: prints one line of JSON.
fn child(arguments: &[String]) -> Result<()> {
    let [model, operation, length, rest @ ..] = arguments else { bail!("not for use by hand") };
    tch::manual_seed(1);
    let length: i64 = length.parse()?;
    let ssm: SsmConfig = serde_json::from_value(json!({
        "mode": model, "d_state": STATES, "init": if model == "s4" { "legs" } else { "diag-lin" },
    }))?;
    let answer = match (operation.as_str(), rest) {
        ("precision", []) => child_precision(&ssm, length)?,
        (operation, [method, thoroughness]) => {
            child_timing(&ssm, operation, length, method, thoroughness == "quick")?
        }
        _ => bail!("not for use by hand"),
    };
    println!("{answer}");
    Ok(())
}

fn child_precision(ssm: &SsmConfig, length: i64) -> Result<Value> {
    let mut layer = Layer::new(PRECISION_CHANNELS, ssm)?;
    let reference = layer.kernel(length, KernelMethod::Paper, Kind::Double)?;
    let mut error = |method| -> Result<f64> {
        let k = layer.kernel(length, method, Kind::Float)?.to_kind(Kind::Double);
        Ok((k - &reference).norm().double_value(&[]) / reference.norm().double_value(&[]))
    };
    Ok(json!({
        "block-powers": error(KernelMethod::BlockPowers)?,
        "paper": error(KernelMethod::Paper)?,
    }))
}

fn child_timing(
    ssm: &SsmConfig,
    operation: &str,
    length: i64,
    method: &str,
    quick: bool,
) -> Result<Value> {
    let method: KernelMethod = serde_json::from_value(json!(method))?;
    let mut layer = Layer::new(CHANNELS, ssm)?;
    let mut run = |length: i64, x: &Tensor| -> Result<f64> {
        layer.store.zero_grad();
        let start = Instant::now();
        match operation {
            "kernel" => drop(layer.kernel(length, method, Kind::Float)?),
            "forward" => drop(tch::no_grad(|| layer.block.forward(x, &layer.pass(method)))?),
            "backward" => {
                let x = x.detach().set_requires_grad(true);
                let y = layer.block.forward(&x, &layer.pass(method))?;
                y.sum(Kind::Float).backward();
            }
            other => bail!("no operation {other}"),
        }
        Ok(start.elapsed().as_secs_f64())
    };
    let input = |length| Tensor::randn([BATCH, CHANNELS, length], (Kind::Float, Device::Cpu));
    // Thread pools, FFT plans and the first pages are nobody's memory.
    run(32, &input(32))?;
    let x = input(length);

    let before = Memory::reset();
    let mut seconds = vec![run(length, &x)?];
    let peak_bytes = before.peak_since();
    let (budget, most) = if quick { (0.5, 5) } else { (1.5, 15) };
    // The first run pays for fresh pages; it counts only where one is all that there is time for.
    if seconds[0] < 2.0 * budget {
        seconds.clear();
        while seconds.len() < 3 || (seconds.iter().sum::<f64>() < budget && seconds.len() < most) {
            seconds.push(run(length, &x)?);
        }
    }
    Ok(json!({"seconds": seconds, "peak_bytes": peak_bytes}))
}

/// What is timed: an S4 block with a gated output.
struct Layer {
    store: ParamStore,
    block: S4Block,
}

impl Layer {
    fn new(channels: i64, ssm: &SsmConfig) -> Result<Self> {
        let mut store = ParamStore::new(Device::Cpu, Kind::Float);
        let config = S4BlockConfig { ssm: ssm.clone(), ..S4BlockConfig::default() };
        let dropout = Dropout { p: 0.0, tied: true };
        let block = S4Block::new(&mut store.root(), channels, &config, dropout)?;
        Ok(Self { store, block })
    }

    fn pass(&self, method: KernelMethod) -> Pass {
        Pass { kernel: method, ..Pass::train() }
    }

    fn kernel(&mut self, length: i64, method: KernelMethod, kind: Kind) -> Result<Tensor> {
        let _guard = tch::no_grad_guard();
        let Systems::Full(parameters) = self.block.systems() else { bail!("full parameters") };
        parameters.ssm(1.0).kernel(length, method, kind)
    }
}

/// Resident memory at one moment.
struct Memory {
    before: f64,
}

impl Memory {
    /// Starts the peak anew where the system allows it (Linux); elsewhere it is that of the
    /// process so far, which the little that is done before cannot have raised much.
    fn reset() -> Self {
        let reset = std::fs::write("/proc/self/clear_refs", "5").is_ok();
        let now = if reset { proc_status("VmRSS:") } else { None };
        Self { before: now.unwrap_or_else(peak) }
    }

    fn peak_since(&self) -> f64 {
        (peak() - self.before).max(0.0)
    }
}

/// Peak resident memory of this process in bytes.
fn peak() -> f64 {
    proc_status("VmHWM:").unwrap_or_else(|| {
        // SAFETY: `usage` is a plain C struct that getrusage fills in.
        let usage = unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            libc::getrusage(libc::RUSAGE_SELF, &mut usage);
            usage
        };
        let unit = if cfg!(target_os = "macos") { 1.0 } else { 1024.0 };
        usage.ru_maxrss as f64 * unit
    })
}

fn proc_status(key: &str) -> Option<f64> {
    kibibytes("/proc/self/status", key)
}

fn available_memory() -> Option<f64> {
    kibibytes("/proc/meminfo", "MemAvailable:")
}

/// The value of a line `key   123 kB`, in bytes.
fn kibibytes(file: &str, key: &str) -> Option<f64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let value: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(value * 1024.0)
}

/// Where and when these figures come from.
fn header() -> Vec<(&'static str, String)> {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find(|line| line.starts_with("model name"));
    let cpu =
        model.and_then(|line| line.split_once(':')).map_or("unknown", |(_, name)| name.trim());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    vec![
        ("date", today()),
        ("CPU", cpu.to_owned()),
        ("cores", cores.to_string()),
        ("libtorch", libtorch_version()),
        ("threads", tch::get_num_threads().to_string()),
        ("load average before", load_average().map_or("unknown".to_owned(), |l| format!("{l:.1}"))),
    ]
}

/// How many processes wanted to run in the last minute.
fn load_average() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

unsafe extern "C" {
    /// Of libtorch's stable C interface: major, minor, patch, … in the bytes from the highest.
    fn aoti_torch_abi_version() -> u64;
}

fn libtorch_version() -> String {
    // SAFETY: takes nothing, returns a number.
    let [major, minor, patch, ..] = unsafe { aoti_torch_abi_version() }.to_be_bytes();
    format!("{major}.{minor}.{patch}")
}

/// The date in UTC, as year-month-day.
fn today() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    // Days since 1 March of the year 0, in eras of 400 years (Hinnant, "chrono-compatible
    // low-level date algorithms").
    let days = now.as_secs() / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year + next)
}

fn duration(seconds: f64) -> String {
    if seconds < 1.0 {
        format!("{} ms", significant(seconds * 1e3))
    } else {
        format!("{} s", significant(seconds))
    }
}

fn bytes(bytes: f64) -> String {
    let mebibytes = bytes / (1 << 20) as f64;
    if mebibytes < 1024.0 {
        format!("{} MiB", significant(mebibytes))
    } else {
        format!("{} GiB", significant(mebibytes / 1024.0))
    }
}

/// Two or three significant digits.
fn significant(x: f64) -> String {
    match x {
        x if x < 1.0 => format!("{x:.2}"),
        x if x < 10.0 => format!("{x:.1}"),
        x => format!("{x:.0}"),
    }
}
