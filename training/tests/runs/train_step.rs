//! A model that back-propagates its loss in pieces trains like one that does it at once.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use distributed::World;
use loader::Dataset;
use s4_core::params::{Hyper, ParamStore};
use tch::{Device, Kind, Tensor};
use training::checkpoint::Checkpoint;
use training::objective::{Objective, Phase, StepOutput};
use training::record::Data;
use training::run_dir::{RunDir, last_checkpoint};
use training::train_config::{Best, TrainConfig};
use training::trainer::{Outcome, RunSetup, Splits, Trainer};

/// Positions a sequence; the loss is over positions.
const LENGTH: i64 = 10;

struct Sequences;

impl Dataset for Sequences {
    type Batch = Vec<f64>;

    fn len(&self) -> usize {
        24
    }

    fn batch(&self, indices: &[usize]) -> Result<Vec<f64>> {
        let positions =
            indices.iter().flat_map(|i| (0..LENGTH).map(move |t| (*i as f64, t as f64)));
        Ok(positions.map(|(i, t)| (i * 0.7 + t * 0.3).sin()).collect())
    }
}

/// Predicts each position from a linear function of the one before.
struct NextValue {
    params: ParamStore,
    weight: Tensor,
    bias: Tensor,
    in_pieces: bool,
}

impl NextValue {
    fn new(in_pieces: bool) -> Self {
        let mut params = ParamStore::new(Device::Cpu, Kind::Double);
        let zero = Tensor::zeros([1], (Kind::Double, Device::Cpu));
        let weight = params.root().parameter("weight", &zero, Hyper::GLOBAL).unwrap();
        let bias = params.root().parameter("bias", &zero, Hyper::NO_DECAY).unwrap();
        Self { params, weight, bias, in_pieces }
    }

    /// The sum of squares over positions `from` to `to` (exclusive), and how many those are.
    fn squares(&self, x: &Tensor, from: i64, to: i64) -> (Tensor, i64) {
        let (before, target) = (x.slice(1, from - 1, to - 1, 1), x.slice(1, from, to, 1));
        let error = before * &self.weight + &self.bias - target;
        (error.square().sum(Kind::Double), error.numel() as i64)
    }
}

impl Objective for NextValue {
    type Batch = Vec<f64>;
    type OnDevice = Tensor;

    fn params(&self) -> &ParamStore {
        &self.params
    }

    fn params_mut(&mut self) -> &mut ParamStore {
        &mut self.params
    }

    fn upload(&self, batch: &Vec<f64>) -> Result<Tensor> {
        Ok(Tensor::from_slice(batch).view([-1, LENGTH]))
    }

    fn step(&mut self, batch: &Tensor, _: Phase) -> Result<StepOutput> {
        let (sum, samples) = self.squares(batch, 1, LENGTH);
        Ok(StepOutput { loss: sum / samples as f64, metrics: Vec::new(), samples, outputs: None })
    }

    fn train_step(
        &mut self,
        batch: &Tensor,
        backward: &dyn Fn(&Tensor) -> Result<()>,
    ) -> Result<StepOutput> {
        if !self.in_pieces {
            let output = self.step(batch, Phase::Train)?;
            backward(&output.loss)?;
            return Ok(output);
        }
        let samples = batch.size()[0] * (LENGTH - 1);
        let mut loss = Tensor::zeros([], (Kind::Double, Device::Cpu));
        for (from, to) in [(1, 4), (4, LENGTH)] {
            let part = self.squares(batch, from, to).0 / samples as f64;
            backward(&part)?;
            loss += part.detach();
        }
        Ok(StepOutput { loss, metrics: Vec::new(), samples, outputs: None })
    }
}

/// Trains and returns the last checkpoint with the outcome.
fn train(folder: &Path, in_pieces: bool) -> (Checkpoint, Outcome) {
    let config = TrainConfig {
        steps: Some(20),
        batch_size: 4,
        accumulate: 2,
        log_every: 7,
        best: Some(Best::default()),
        ..TrainConfig::default()
    };
    let setup = RunSetup {
        dir: RunDir::create(folder).unwrap(),
        config: String::new(),
        data: Data::default(),
        progress: false,
        world: World::alone(),
    };
    let val: Arc<dyn Dataset<Batch = Vec<f64>>> = Arc::new(Sequences);
    let splits = Splits { train: Arc::new(Sequences), val: Some(val), test: None };
    let outcome =
        Trainer::new(config, NextValue::new(in_pieces), splits, setup).unwrap().run().unwrap();
    (Checkpoint::load(&last_checkpoint(folder)).unwrap(), outcome)
}

#[test]
fn backward_passes_in_pieces_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let (at_once, _) = train(&folder.path().join("at-once"), false);
    let (in_pieces, _) = train(&folder.path().join("in-pieces"), true);
    for (a, b) in [
        (&at_once.model, &in_pieces.model),
        (&at_once.optimizer, &in_pieces.optimizer),
        (&at_once.meters, &in_pieces.meters),
    ] {
        assert_eq!(a.names().collect::<Vec<_>>(), b.names().collect::<Vec<_>>());
        for (name, tensor) in a.iter() {
            let error = (tensor - b.get(name).unwrap()).abs().max().double_value(&[]);
            assert!(error < 1e-12, "{name} is off by {error:e}");
        }
    }
    let weight = at_once.model.get("weight").unwrap().double_value(&[0]);
    assert!(weight.abs() > 1e-3, "nothing was learned: {weight}");
}

#[test]
fn throughput_counts_what_the_loss_counts() {
    let folder = tempfile::tempdir().unwrap();
    let (last, outcome) = train(&folder.path().join("run"), true);
    // Two batches of four sequences make a step.
    let a_step = 2 * 4 * (LENGTH as u64 - 1);
    assert_eq!(last.meta.state.samples, 20 * a_step);
    let Outcome::Finished(summary) = outcome else { panic!("{outcome:?}") };
    let ratio = summary.samples_per_s / summary.steps_per_s;
    assert!((ratio - a_step as f64).abs() < 1e-6, "{ratio} samples a step");
}
