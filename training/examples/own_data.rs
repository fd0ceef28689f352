//! A data set and a loss of one's own, trained by the trainer: S4 forecasts the next value of a
//! series. Checkpoints, resuming, Ctrl-C, schedules, logs and TensorBoard are the trainer's.
//!
//! ```sh
//! cargo run -p training --example own_data                     # once more to go on after Ctrl-C
//! cargo run -p training --example own_data -- train.seed=1     # settings of your own
//! ```

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use distributed::World;
use loader::Dataset;
use models::Network;
use program::config::{self, Config};
use program::{exit, interrupt};
use s4_config::{Input, NetworkConfig, Output, Shape};
use s4_core::layer::Pass;
use s4_core::params::ParamStore;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Reduction, Tensor};
use training::objective::{Objective, Phase, StepOutput};
use training::record::Data;
use training::run_dir::{RunDir, config_file};
use training::seed::seed_model;
use training::train_config::TrainConfig;
use training::trainer::{Outcome, RunSetup, Splits, Trainer};
use training::upload::upload;

/// All that a run follows from, kept in its `config.toml`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    model: NetworkConfig,
    train: TrainConfig,
}

impl Config for Settings {}

const SETTINGS: &str = r#"
model = { d_model = 16, n_layers = 2, layer.ssm.d_state = 16 }

[train]
epochs = 10
batch_size = 16
log_every = 20
optimizer.lr = 0.01
schedule = { name = "cosine_warmup", warmup_steps = 10 }
"#;

/// Values of a window: those that are seen, and one more.
const WINDOW: usize = 65;

/// The windows of a series.
struct Series(Vec<f32>);

impl Dataset for Series {
    type Batch = Vec<f32>;

    fn len(&self) -> usize {
        self.0.len() / WINDOW
    }

    fn batch(&self, indices: &[usize]) -> Result<Vec<f32>> {
        let windows = indices.iter().flat_map(|index| &self.0[index * WINDOW..][..WINDOW]);
        Ok(windows.copied().collect())
    }
}

/// A network that forecasts, and its loss.
struct Forecast {
    params: ParamStore,
    network: Network,
}

impl Objective for Forecast {
    type Batch = Vec<f32>;
    type OnDevice = Tensor; // (B, WINDOW, 1)

    fn params(&self) -> &ParamStore {
        &self.params
    }

    fn params_mut(&mut self) -> &mut ParamStore {
        &mut self.params
    }

    fn upload(&self, batch: &Vec<f32>) -> Result<Tensor> {
        let windows = Tensor::f_from_slice(batch)?.f_view([-1, WINDOW as i64, 1])?;
        upload(&windows, self.params.device())
    }

    fn step(&mut self, windows: &Tensor, phase: Phase) -> Result<StepOutput> {
        let pass = if phase == Phase::Train { Pass::train() } else { Pass::eval() };
        let seen = windows.narrow(1, 0, WINDOW as i64 - 1);
        let next = windows.narrow(1, 1, WINDOW as i64 - 1);
        let loss = self.network.forward(&seen, &pass)?.mse_loss(&next, Reduction::Mean);
        Ok(StepOutput { loss, metrics: vec![], samples: windows.size()[0], outputs: None })
    }
}

fn train(run: &Path, overrides: &[String]) -> Result<Outcome> {
    interrupt::install();
    let there = config_file(run).exists();
    let settings = match there {
        true => config::load::<Settings>(&config_file(run), overrides)?.value,
        false => config::parse::<Settings>("built in", SETTINGS, overrides)?.value,
    };
    let dir = if there { RunDir::resume(run)? } else { RunDir::create(run)? };

    seed_model(settings.train.seed);
    let mut params = ParamStore::new(Device::cuda_if_available(), Kind::Float);
    let shape = Shape { input: Input::Values { features: 1 }, output: Output::PerPosition(1) };
    let network = Network::new(&mut params.root(), &settings.model, shape)?;

    // Two waves that never repeat together; yours comes from a file.
    let wave = |t: usize| ((t as f32 * 0.3).sin() + (t as f32 * 0.471).sin()) / 2.0;
    let part = |begin: usize, windows: usize| -> Arc<dyn Dataset<Batch = Vec<f32>>> {
        Arc::new(Series((begin..begin + windows * WINDOW).map(wave).collect()))
    };
    let splits =
        Splits { train: part(0, 160), val: Some(part(20_000, 20)), test: Some(part(30_000, 20)) };
    let data = Data::new("two waves", &splits, |batch| {
        batch.iter().flat_map(|value| value.to_le_bytes()).collect()
    })?;
    let setup = RunSetup {
        dir,
        config: config::to_toml(&settings)?,
        data,
        progress: true,
        world: World::alone(),
    };
    Trainer::new(settings.train, Forecast { params, network }, splits, setup)?.run()
}

fn main() {
    let overrides: Vec<String> = std::env::args().skip(1).collect();
    exit::main_exit(|| train(Path::new("runs/two-waves/own-data"), &overrides))
}

#[test]
fn it_learns_and_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    train(&run, &["train.epochs=2".to_owned()]).unwrap();
    let Outcome::Finished(summary) = train(&run, &["train.epochs=6".to_owned()]).unwrap() else {
        panic!("nobody interrupts");
    };
    // The last value itself as a forecast is off by 0.04.
    assert!(summary.step == 60 && summary.test.unwrap().loss < 0.02);
}
