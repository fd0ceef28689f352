//! Samples that continue each other: a model's state is carried from batch to batch, over
//! checkpoints too, and apart from that of evaluations.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use distributed::World;
use loader::Dataset;
use s4_core::params::{Hyper, ParamStore};
use s4_core::state_dict::StateDict;
use tch::{Device, Kind, Tensor};
use training::checkpoint::Checkpoint;
use training::evaluate::{EvalOptions, evaluate};
use training::objective::{Objective, Phase, StepOutput};
use training::record::Data;
use training::run_dir::{RunDir, last_checkpoint};
use training::train_config::{Every, TrainConfig};
use training::trainer::{RunSetup, Splits, Trainer};

/// Values of a piece.
const PIECE: i64 = 5;
const WIDTH: i64 = 4;

/// A long series in pieces.
struct Series {
    pieces: usize,
    phase: f32,
    is_stream: bool,
}

impl Dataset for Series {
    /// (B, PIECE + 1): a piece and the value after it.
    type Batch = Vec<f32>;

    fn len(&self) -> usize {
        self.pieces
    }

    fn is_stream(&self) -> bool {
        self.is_stream
    }

    fn batch(&self, indices: &[usize]) -> Result<Vec<f32>> {
        let value = |t: i64| (t as f32 * 0.7 + self.phase).sin() + (t as f32 * 0.11).cos();
        let piece = |&i: &usize| (0..=PIECE).map(move |t| value(i as i64 * PIECE + t));
        Ok(indices.iter().flat_map(piece).collect())
    }
}

/// h <- tanh(W x + U h), the next value is w·h.
struct Recurrent {
    params: ParamStore,
    input: Tensor,
    state: Tensor,
    output: Tensor,
    /// (B, WIDTH), after the last batch.
    carried: Option<Tensor>,
    forgets: bool,
}

impl Recurrent {
    fn new(forgets: bool) -> Result<Self> {
        let mut params = ParamStore::new(Device::Cpu, Kind::Float);
        let mut root = params.root();
        // Not drawn: tests run side by side, and tch's generator is one for all of them.
        let mut parameter = |name, rows: i64, columns: i64, phase: f64| {
            let at = Tensor::arange(rows * columns, (Kind::Float, Device::Cpu)) * 1.7 + phase;
            root.parameter(name, &(at.sin() * 0.7).view([rows, columns]), Hyper::GLOBAL)
        };
        let input = parameter("input", 1, WIDTH, 0.3)?;
        let state = parameter("state", WIDTH, WIDTH, 0.9)?;
        let output = parameter("output", WIDTH, 1, 2.0)?;
        Ok(Self { input, state, output, params, carried: None, forgets })
    }
}

impl Objective for Recurrent {
    type Batch = Vec<f32>;
    type OnDevice = Tensor;

    fn params(&self) -> &ParamStore {
        &self.params
    }

    fn params_mut(&mut self) -> &mut ParamStore {
        &mut self.params
    }

    fn upload(&self, batch: &Vec<f32>) -> Result<Tensor> {
        Ok(Tensor::f_from_slice(batch)?.f_view([-1, PIECE + 1])?)
    }

    fn step(&mut self, x: &Tensor, _: Phase) -> Result<StepOutput> {
        let rows = x.size()[0];
        let mut h = match &self.carried {
            Some(h) => h.narrow(0, 0, rows),
            None => Tensor::zeros([rows, WIDTH], (Kind::Float, Device::Cpu)),
        };
        let mut sum = Tensor::zeros([rows], (Kind::Float, Device::Cpu));
        for t in 0..PIECE {
            h = (x.narrow(1, t, 1).matmul(&self.input) + h.matmul(&self.state)).tanh();
            sum += (h.matmul(&self.output) - x.narrow(1, t + 1, 1)).square().squeeze_dim(1);
        }
        self.carried = Some(h.detach()).filter(|_| !self.forgets);
        let outputs = Some(sum.detach().unsqueeze(1));
        Ok(StepOutput { loss: sum.mean(Kind::Float), metrics: Vec::new(), samples: rows, outputs })
    }

    fn carried(&self) -> StateDict {
        self.carried.iter().map(|h| ("h".to_owned(), h.shallow_clone())).collect()
    }

    fn carry(&mut self, carried: StateDict) -> Result<()> {
        self.carried = carried.get("h").map(Tensor::shallow_clone);
        Ok(())
    }
}

fn series(pieces: usize, phase: f32) -> Arc<Series> {
    Arc::new(Series { pieces, phase, is_stream: true })
}

/// Trains up to step `steps` in `folder`, and returns the last checkpoint.
fn train(folder: &Path, steps: u64, resume: bool, forgets: bool) -> Result<Checkpoint> {
    // 3 rows of 7 pieces, two batches to a step: 3 steps an epoch.
    let config = TrainConfig {
        steps: Some(steps),
        batch_size: 3,
        accumulate: 2,
        eval_every: Every::Steps(2),
        ..TrainConfig::default()
    };
    let dir = if resume { RunDir::resume(folder)? } else { RunDir::create(folder)? };
    let splits = Splits { train: series(23, 0.0), val: Some(series(8, 1.0)), test: None };
    let setup = RunSetup {
        dir,
        config: toml::to_string(&config)?,
        data: Data::default(),
        progress: false,
        world: World::alone(),
    };
    Trainer::new(config, Recurrent::new(forgets)?, splits, setup)?.run()?;
    Checkpoint::load(&last_checkpoint(folder))
}

#[test]
fn a_resumed_run_goes_on_with_the_state_that_it_left() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let whole = train(&folder.path().join("whole"), 11, false, false)?;
    assert_eq!(whole.carried.get("h").unwrap().size(), [3, WIDTH]);
    // Step 5 is within an epoch, 6 at the end of one; evaluations come in between.
    for steps in [5, 6] {
        let path = folder.path().join(format!("resumed-{steps}"));
        train(&path, steps, false, false)?;
        let resumed = train(&path, 11, true, false)?;
        let parts = [
            (&whole.model, &resumed.model),
            (&whole.optimizer, &resumed.optimizer),
            (&whole.carried, &resumed.carried),
        ];
        for (a, b) in parts {
            assert_eq!(a.len(), b.len());
            for (name, tensor) in a.iter() {
                assert_eq!(tensor, b.get(name).unwrap(), "{name} after step {steps}");
            }
        }
    }
    let forgetful = train(&folder.path().join("forgetful"), 11, false, true)?;
    assert_ne!(whole.model.get("state"), forgetful.model.get("state"), "nothing was carried");
    Ok(())
}

#[test]
fn an_evaluation_carries_a_state_of_its_own_through_the_stream() -> Result<()> {
    let mut model = Recurrent::new(false)?;
    let training = Tensor::full([3, WIDTH], 0.25, (Kind::Float, Device::Cpu));
    model.carried = Some(training.copy());
    let mut losses = |batch_size| -> Result<Vec<f32>> {
        let options = EvalOptions { batch_size, workers: 2, seed: 0 };
        let evaluated = evaluate(&mut model, series(11, 1.0), options, |_, _| {})?.unwrap();
        assert_eq!(evaluated.evaluation.samples, 11);
        assert_eq!(model.carried.as_ref(), Some(&training), "training goes on with its own");
        Ok(Vec::try_from(evaluated.outputs.unwrap().view([-1]))?)
    };
    let by_hand = |pieces: std::ops::Range<usize>| -> Result<Vec<f32>> {
        let mut model = Recurrent::new(false)?;
        let loss = |piece| {
            let batch = model.upload(&series(11, 1.0).batch(&[piece])?)?;
            Ok(model.step(&batch, Phase::Eval)?.loss.double_value(&[]) as f32)
        };
        pieces.map(loss).collect()
    };
    // 3 rows, of which two are longer.
    let expected =
        [(1, by_hand(0..11)?), (3, [by_hand(0..4)?, by_hand(4..8)?, by_hand(8..11)?].concat())];
    for (rows, expected) in expected {
        for (piece, (found, expected)) in losses(rows)?.iter().zip(&expected).enumerate() {
            assert!((found - expected).abs() < 1e-5, "{rows} rows, piece {piece}: {found}");
        }
    }
    let begun = (by_hand(0..11)?[4] - by_hand(4..5)?[0]).abs();
    assert!(begun > 1e-3, "the state makes no difference");
    Ok(())
}
