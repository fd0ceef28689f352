//! `evaluate`: a run's best weights on whole held-out recordings, with the state carried through.

use std::sync::Arc;

use anyhow::{Context, Result};
use audio_data::part::Part;
use clap::Args as ClapArgs;
use loader::Dataset;
use program::exit::{Exit, usage};
use program::interrupt;
use program::output::{note, say};
use serde_json::json;
use tch::Device;
use training::args::{EvalSplit, EvaluateArgs};
use training::evaluate::{EvalOptions, Evaluated, evaluate_with_progress};
use training::run::Run;
use training::summary::Summary;

use super::{load, load_diffusion};
use crate::baseline::{self, Baselines};
use crate::data::batch::Sequences;
use crate::data::{self, Audio};
use crate::experiment::Experiment;

/// Arguments of `evaluate`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    #[command(flatten)]
    evaluate: EvaluateArgs,
    /// Other audio: a folder, or the name of a data set below data/ [default: that of the run]
    #[arg(long, value_name = "DIR|NAME")]
    data: Option<String>,
    /// Measure simple predictors as well: the marginal distribution, an n-gram, a linear predictor
    #[arg(long)]
    baselines: bool,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    interrupt::install();
    let EvaluateArgs { run, split, device, json, data: flags, no_progress } = &args.evaluate;
    let mut run: Run<Experiment> = Run::open(run)?;
    let config = &mut run.experiment.data;
    if let Some(text) = &args.data {
        let (dir, layout) = data::locate(text);
        (config.dir, config.layout) = (Some(dir), layout);
    }
    config.apply(flags);
    let device = device.choose()?;
    let audio = Audio::open(config, !no_progress)?;
    note(format_args!("data: {}", audio.origin));
    audio.findings.tell(config.strict)?;
    let device = device.announce();
    let split = match split {
        EvalSplit::Test => Part::Test,
        EvalSplit::Val => Part::Val,
    };
    if run.experiment.diffusion.is_some() {
        return noise(args, &run, &audio, split, device);
    }
    let data = Arc::new(Sequences::by_length(audio.whole(split)?));
    let (model, step) = load(&run, device)?;
    let mut model = model.in_segments(&run.experiment);
    let options = EvalOptions::of(&run.experiment.train);
    let result = evaluate_with_progress(&mut model, data.clone(), options, !no_progress)?;
    let Some(Evaluated { evaluation: result, .. }) = result else { return Ok(interrupted()) };
    let bits = result.get("bits_per_sample").context("the model reports its bits")?;

    let baselines = if args.baselines {
        let train = Sequences::all(audio.whole(Part::Train)?);
        let quantiser = run.experiment.data.quantiser()?;
        let decode = |code| quantiser.decode(code);
        let tell = |text: &str| note(format_args!("baselines: {text}"));
        Some(baseline::measure(&train, &*data, quantiser.levels(), &decode, &tell)?)
    } else {
        None
    };
    let name = &audio.name;
    if *json {
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
    if let Some(trained) = args.data.is_none().then(|| of_training(&run, split, step)).flatten() {
        note(format_args!(
            "training says {trained:.4} of these weights: there each sequence (data.length: {}) begins \
             without a past, here recordings are whole and their state is carried through",
            run.experiment.data.length
        ));
    }
    if let Some(baselines) = baselines {
        print(&baselines)?;
    }
    Ok(Exit::Done)
}

/// The loss of a run of diffusion on `split`.
fn noise(
    args: &Args,
    run: &Run<Experiment>,
    audio: &Audio,
    split: Part,
    device: Device,
) -> Result<Exit> {
    if args.baselines {
        return Err(usage("--baselines is for models that predict codes; the run is of diffusion"));
    }
    let data = Arc::new(audio.sounds(split)?);
    let (mut model, step) = load_diffusion(run, device)?;
    let options = EvalOptions::of(&run.experiment.train);
    let show = !args.evaluate.no_progress;
    let result = evaluate_with_progress(&mut model, data, options, show)?;
    let Some(Evaluated { evaluation: result, .. }) = result else { return Ok(interrupted()) };
    let name = &audio.name;
    if args.evaluate.json {
        let mut object = json!({
            "data": name,
            "split": split,
            "count": result.samples,
            "loss": result.loss,
            "step": step,
            "seconds": result.seconds,
        });
        for (metric, value) in &result.metrics {
            object[metric] = json!(value);
        }
        say(object)?;
        return Ok(Exit::Done);
    }
    let quarters: Vec<String> =
        result.metrics.iter().map(|(_, value)| format!("{value:.4}")).collect();
    say(format_args!(
        "{name} {split}: loss {:.5} (quarters of the steps, from little noise to much: {}), on {} clips, \
         after step {step}, in {:.1} s",
        result.loss,
        quarters.join(", "),
        result.samples,
        result.seconds
    ))?;
    Ok(Exit::Done)
}

/// What training reported of the weights of `step`.
fn of_training(run: &Run<Experiment>, split: Part, step: u64) -> Option<f64> {
    let summary = Summary::read(&run.path).ok()??;
    let best = summary.best.filter(|best| best.step == step)?;
    match split {
        Part::Val => (best.metric == "val/bits_per_sample").then_some(best.value),
        _ => summary.test?.get("bits_per_sample"),
    }
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
    note("interrupted; nothing was changed");
    Exit::Stopped
}
