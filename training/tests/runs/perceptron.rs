//! A small training program, run by the tests as a process of its own: a multilayer perceptron with
//! batch norm and dropout on made-up data. The test executable starts itself again as this program.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use distributed::World;
use loader::Dataset;
use program::config;
use program::exit::exit_code;
use program::interrupt;
use program::output::note;
use program::seed::derive;
use s4_core::params::{Hyper, ParamStore};
use s4_core::state_dict::StateDict;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Reduction, Tensor};
use training::objective::{Objective, Phase, StepOutput};
use training::record::Data;
use training::run_dir::{self, RunDir};
use training::seed::seed_model;
use training::show::{Show, Sound};
use training::train_config::TrainConfig;
use training::trainer::{Outcome, RunSetup, Splits, Trainer};

/// What the program is to do, as JSON in this variable.
const ORDER: &str = "S4_TEST_PROGRAM";

pub const INPUTS: i64 = 8;
pub const CLASSES: i64 = 3;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub model: Model,
    pub train: TrainConfig,
}

impl config::Config for Config {}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    pub hidden: i64,
    pub dropout: f64,
}

/// The text of a configuration: 97 samples, batches of 4, two to a step make 12 steps an epoch.
pub const CONFIG: &str = r#"
[model]
hidden = 16
dropout = 0.3

[train]
steps = 40
batch_size = 4
accumulate = 2
seed = 5
log_every = 5
checkpoint_every = 7
eval_every = "epoch"
best = { metric = "val/accuracy", mode = "max" }
optimizer = { lr = 0.01, weight_decay = 0.1 }
schedule = { name = "cosine_warmup", warmup_steps = 5, total_steps = 40 }
"#;
pub const TRAIN_SAMPLES: usize = 97;

/// What the process does beside training.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Order {
    pub run: PathBuf,
    pub resume: bool,
    pub overrides: Vec<String>,
    /// Sleep in every batch.
    pub delay_ms: u64,
    /// End as by `kill -9` within this call of the model's step.
    pub kill_at_call: Option<u64>,
    /// Be asked to end, as by Ctrl-C, within this call.
    pub interrupt_at_call: Option<u64>,
    /// Make libtorch refuse in this call, through a function of tch that panics then.
    pub panic_at_call: Option<u64>,
    /// Make libtorch refuse when pictures are wanted.
    pub panic_in_pictures: bool,
    /// In this call, make a file of this many bytes in the run's folder (as far as there is room).
    pub fill: Option<(u64, usize)>,
    /// In this call, forbid files of more than this many bytes.
    pub limit: Option<(u64, u64)>,
}

/// The test that is the program when the variable is set.
pub fn child() {
    let Ok(order) = std::env::var(ORDER) else { return };
    let order: Order = serde_json::from_str(&order).unwrap();
    let code = exit_code(|| main(order));
    std::process::exit(i32::from(code));
}

/// The program's process, not yet started.
pub fn command(order: &Order) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "child", "--include-ignored", "--nocapture", "--test-threads=1"])
        .env(ORDER, serde_json::to_string(order).unwrap())
        .env("RUST_BACKTRACE", "1")
        // Idle OpenMP threads spin: several of these programs at once would wait for each other.
        .env("OMP_NUM_THREADS", "1")
        .stdin(Stdio::null());
    command
}

/// Runs the program to its end.
pub fn run(order: &Order) -> Output {
    command(order).output().unwrap()
}

/// Runs the program and expects it to succeed.
pub fn run_well(order: &Order) {
    let output = run(order);
    assert!(output.status.success(), "{}", stderr(&output));
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The program's `main`: what a binary crate has to write.
fn main(order: Order) -> Result<Outcome> {
    interrupt::install();
    train(order)
}

/// Trains in this process.
pub fn train(order: Order) -> Result<Outcome> {
    let (dir, config) = if order.resume {
        let run = run_dir::find(Path::new("runs"), &order.run.display().to_string())?;
        let config = config::load::<Config>(&run_dir::config_file(&run), &order.overrides)?;
        (RunDir::resume(&run)?, config)
    } else {
        let config = config::parse::<Config>("built in", CONFIG, &order.overrides)?;
        (RunDir::create(&order.run)?, config)
    };
    for change in &config.changes {
        note(change);
    }
    let config = config.value;
    let setup = RunSetup {
        dir,
        config: config::to_toml(&config)?,
        data: Data::default(),
        progress: true,
        world: World::alone(),
    };
    seed_model(config.train.seed);
    let objective = Mlp::new(&config, order)?;
    let splits = Splits {
        train: Arc::new(Points { len: TRAIN_SAMPLES, seed: 1 }),
        val: Some(Arc::new(val())),
        test: Some(Arc::new(Points { len: 31, seed: 3 })),
    };
    Trainer::new(config.train, objective, splits, setup)?.run()
}

/// Points around three centres.
pub struct Points {
    len: usize,
    seed: u64,
}

/// The validation split.
pub fn val() -> Points {
    Points { len: 30, seed: 2 }
}

pub struct Batch {
    inputs: Vec<f32>,
    labels: Vec<i64>,
}

impl Dataset for Points {
    type Batch = Batch;

    fn len(&self) -> usize {
        self.len
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch> {
        let labels: Vec<i64> = indices.iter().map(|&i| i as i64 % CLASSES).collect();
        let inputs = indices.iter().zip(&labels).flat_map(|(&i, &label)| {
            (0..INPUTS).map(move |k| {
                let noise = derive(self.seed, "noise", i as u64 * 64 + k as u64);
                let centre = if k % CLASSES == label { 1.0 } else { 0.0 };
                centre + (noise % 2001) as f32 / 1000.0 - 1.0
            })
        });
        Ok(Batch { inputs: inputs.collect(), labels })
    }
}

pub struct Mlp {
    params: ParamStore,
    first: Tensor,
    norm_weight: Tensor,
    norm_bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    last: Tensor,
    dropout: f64,
    order: Order,
    calls: u64,
}

impl Mlp {
    pub fn new(config: &Config, order: Order) -> Result<Self> {
        let options = (Kind::Float, Device::Cpu);
        let h = config.model.hidden;
        let kind = config.train.precision.kind(Device::Cpu)?;
        let mut params = ParamStore::new(Device::Cpu, kind);
        let mut root = params.root();
        let random = |shape: [i64; 2]| Tensor::randn(shape, options) * 0.3;
        let first = root.parameter("first.weight", &random([h, INPUTS]), Hyper::GLOBAL)?;
        let last = root.parameter("last.weight", &random([CLASSES, h]), Hyper::GLOBAL)?;
        let mut norm = root.sub("norm");
        let ones = Tensor::ones([h], options);
        let zeros = Tensor::zeros([h], options);
        Ok(Self {
            norm_weight: norm.parameter("weight", &ones, Hyper::NO_DECAY)?,
            norm_bias: norm.parameter("bias", &zeros, Hyper::NO_DECAY)?,
            running_mean: norm.buffer("running_mean", &zeros.copy())?,
            running_var: norm.buffer("running_var", &ones.copy())?,
            first,
            last,
            params,
            dropout: config.model.dropout,
            order,
            calls: 0,
        })
    }

    fn misbehave(&self) {
        let order = &self.order;
        std::thread::sleep(Duration::from_millis(order.delay_ms));
        if order.kill_at_call == Some(self.calls) {
            // SAFETY: ends this process.
            unsafe { libc::raise(libc::SIGKILL) };
        }
        if order.interrupt_at_call == Some(self.calls) {
            // SAFETY: a signal to this process, which handles it.
            unsafe { libc::raise(libc::SIGINT) };
            // Another thread handles it.
            while !interrupt::requested() {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        if order.panic_at_call == Some(self.calls) {
            let _ = self.first.matmul(&self.first);
        }
        if let Some((call, bytes)) = order.fill
            && call == self.calls
        {
            let _ = std::fs::write(order.run.join("filler"), vec![0u8; bytes]);
        }
        if let Some((call, bytes)) = order.limit
            && call == self.calls
        {
            let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
            // SAFETY: a plain system call.
            assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &limit) }, 0);
        }
    }
}

impl Objective for Mlp {
    type Batch = Batch;
    /// Inputs and labels.
    type OnDevice = (Tensor, Tensor);

    fn params(&self) -> &ParamStore {
        &self.params
    }

    fn params_mut(&mut self) -> &mut ParamStore {
        &mut self.params
    }

    fn upload(&self, batch: &Batch) -> Result<(Tensor, Tensor)> {
        let inputs = Tensor::from_slice(&batch.inputs).f_view([-1, INPUTS])?;
        let inputs = inputs.f_to_kind(self.params.kind())?;
        Ok((inputs, Tensor::from_slice(&batch.labels)))
    }

    fn step(&mut self, (x, labels): &(Tensor, Tensor), phase: Phase) -> Result<StepOutput> {
        self.calls += 1;
        self.misbehave();
        let train = phase == Phase::Train;
        let samples = labels.size()[0];
        let x = x.f_matmul(&self.first.tr())?;
        let x = x.f_batch_norm(
            Some(&self.norm_weight),
            Some(&self.norm_bias),
            Some(&self.running_mean),
            Some(&self.running_var),
            train,
            0.1,
            1e-5,
            false,
        )?;
        let x = x.f_relu()?.f_dropout(self.dropout, train)?.f_matmul(&self.last.tr())?;
        let correct = x.f_argmax(-1, false)?.f_eq_tensor(labels)?.f_sum(Kind::Int64)?;
        Ok(StepOutput {
            loss: x.f_cross_entropy_loss::<Tensor>(labels, None, Reduction::Mean, -100, 0.0)?,
            metrics: vec![("accuracy", correct)],
            samples,
            outputs: None,
        })
    }

    fn show(&mut self, show: &mut dyn Show, _: Option<&Tensor>) -> Result<()> {
        show.histogram("norm/running_var", &self.running_var)?;
        let sound = Sound { wav: b"RIFF....WAVE".to_vec(), rate: 8000, channels: 1, frames: 4 };
        show.sound("tone", &sound)?;
        if self.order.panic_in_pictures {
            let _ = self.first.matmul(&self.first);
        }
        show.picture("first", &(self.first.detach() + 0.5))
    }
}

/// Asserts that two checkpoints hold the same bits, apart from the time they took.
pub fn assert_same(a: &Path, b: &Path, what: &str) {
    use training::checkpoint::Checkpoint;
    let (a, b) = (Checkpoint::load(a).unwrap(), Checkpoint::load(b).unwrap());
    let mut state = b.meta.state.clone();
    state.seconds = a.meta.state.seconds;
    assert_eq!(a.meta.state, state, "{what}");
    assert_eq!(a.ema.is_some(), b.ema.is_some(), "{what}: ema");
    for (part, a, b) in [
        ("weights", a.weights(), b.weights()),
        ("model", &a.model, &b.model),
        ("optimizer", &a.optimizer, &b.optimizer),
        ("meters", &a.meters, &b.meters),
        ("carried", &a.carried, &b.carried),
    ] {
        assert_same_bits(a, b, &format!("{what}: {part}"));
    }
}

/// Asserts that two state dicts hold the same bits.
pub fn assert_same_bits(a: &StateDict, b: &StateDict, what: &str) {
    let names: Vec<&str> = a.names().collect();
    assert_eq!(names, b.names().collect::<Vec<_>>(), "{what}");
    for name in names {
        let bits = |dict: &StateDict| {
            let tensor = dict.get(name).unwrap();
            let mut bytes = vec![0; tensor.numel() * tensor.kind().elt_size_in_bytes()];
            tensor.copy_data_u8(&mut bytes, tensor.numel());
            bytes
        };
        assert!(bits(a) == bits(b), "{what}.{name} differs");
    }
}
