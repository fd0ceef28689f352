//! `evaluate`: a run's best weights on whole held-out recordings, with the state carried through.

use std::sync::Arc;

use anyhow::{Context, Result};
use audio_data::part::Part;
use clap::{Args as ClapArgs, ValueEnum};
use loader::Dataset;
use program::exit::Exit;
use program::interrupt;
use program::output::say;
use program::progress::Progress;
use serde_json::json;
use training::device::{Chosen, DeviceRequest};
use training::evaluate::{EvalOptions, evaluate};
use training::run_dir;

use super::{load, runs_root};
use crate::baseline::{self, Baselines};
use crate::data::batch::Sequences;
use crate::data::{self, Audio};
use crate::experiment::Experiment;

/// Arguments of `evaluate`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Folder of a run, or its name below runs/
    #[arg(value_name = "RUN")]
    run: String,
    /// What to evaluate on
    #[arg(long, value_enum, default_value = "test")]
    split: SplitName,
    /// Other audio: a folder, or the name of a data set below data/ [default: that of the run]
    #[arg(long, value_name = "DIR|NAME")]
    data: Option<String>,
    /// Measure simple predictors as well: the marginal distribution, an n-gram, a linear predictor
    #[arg(long)]
    baselines: bool,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto")]
    device: DeviceRequest,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
    /// Plain lines instead of a progress bar
    #[arg(long)]
    no_progress: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SplitName {
    Test,
    Val,
}

impl From<SplitName> for Part {
    fn from(name: SplitName) -> Self {
        match name {
            SplitName::Test => Part::Test,
            SplitName::Val => Part::Val,
        }
    }
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    interrupt::install()?;
    let path = run_dir::find(&runs_root(), &args.run)?;
    let mut experiment = Experiment::read(&run_dir::config_file(&path), &[])?.value;
    if let Some(text) = &args.data {
        let (dir, layout) = data::locate(text);
        (experiment.data.dir, experiment.data.layout) = (Some(dir), layout);
    }
    let Chosen { device, reason } = args.device.choose()?;
    eprintln!("device: {reason}");
    let audio = Audio::open(&mut experiment.data, !args.no_progress)?;
    eprintln!("data: {}", audio.origin);
    let split = Part::from(args.split);
    let data = Arc::new(Sequences::by_length(audio.whole(split)?));
    let (model, step) = load(&path, &experiment, device)?;
    let mut model = model.in_segments(&experiment);

    let options = EvalOptions {
        batch_size: experiment.train.eval_batch_size(),
        workers: experiment.train.workers,
        seed: experiment.train.seed,
    };
    let batches = data.len().div_ceil(options.batch_size) as u64;
    let progress = Progress::new(!args.no_progress, 0, batches);
    let result = evaluate(&mut model, data.clone(), options, |done, _| progress.step(done))?;
    progress.finish();
    let Some(result) = result else { return Ok(interrupted()) };
    let bits = result.get("bits_per_sample").context("the model reports its bits")?;

    let baselines = if args.baselines {
        let train = Sequences::all(audio.whole(Part::Train)?);
        let quantiser = experiment.data.quantiser()?;
        let decode = |code| quantiser.decode(code);
        let tell = |text: &str| eprintln!("baselines: {text}");
        Some(baseline::measure(&train, &*data, quantiser.levels(), &decode, &tell)?)
    } else {
        None
    };
    let name = &audio.name;
    if args.json {
        let mut object = json!({
            "data": name,
            "split": split,
            "count": result.samples,
            "sequences": data.len(),
            "loss": result.loss,
            "step": step,
            "seconds": result.seconds,
        });
        for (metric, value) in &result.metrics {
            object[metric] = json!(value);
        }
        if let Some(baselines) = &baselines {
            object["baselines"] = json!(baselines);
        }
        say(object)?;
        return Ok(Exit::Done);
    }
    let accuracy = result.get("accuracy").unwrap_or(f64::NAN);
    say(format_args!(
        "{name} {split}: {bits:.4} bits per sample, accuracy {:.2}%, on {} samples in {} \
         recordings, after step {step}, in {:.1} s",
        100.0 * accuracy,
        result.samples,
        data.len(),
        result.seconds
    ))?;
    if let Some(baselines) = baselines {
        print(&baselines)?;
    }
    Ok(Exit::Done)
}

fn print(baselines: &Baselines) -> Result<()> {
    let Baselines { marginal, ngram, linear, training_codes, .. } = baselines;
    let adaptive = if linear.adaptive { ", adaptive" } else { "" };
    say(format_args!("simple predictors, fitted on {training_codes} training samples:"))?;
    say(format_args!("  {marginal:.4} bits per sample  marginal distribution"))?;
    say(format_args!("  {:.4} bits per sample  n-gram of order {}", ngram.bits, ngram.order))?;
    say(format_args!(
        "  {:.4} bits per sample  linear predictor of order {}{adaptive}",
        linear.bits, linear.order
    ))
}

fn interrupted() -> Exit {
    eprintln!("interrupted; nothing was changed");
    Exit::Stopped
}
