//! `train`: a new run, or the continuation of one.

use std::sync::Arc;

use anyhow::Result;
use audio_data::part::Part;
use clap::Args as ClapArgs;
use program::config;
use program::exit::{Exit, usage};
use program::interrupt;
use program::names::pasted;
use program::output::note;
use s4_core::conv::plan;
use tch::Device;
use training::args::{TrainArgs, echo};
use training::dry_run::dry_run;
use training::record::Data;
use training::run::{Experiment as _, Run};
use training::run_dir::{self, RunDir};
use training::trainer::{Outcome, RunSetup, Splits, Trainer};

use crate::data::batch::{CodeBatch, Sequences};
use crate::data::{self, Audio};
use crate::experiment::{Experiment, PRESETS, Preset};
use crate::objective::NextCode;

/// Arguments of `train`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Folder of audio files, or the name of a data set below data/ (sc09, fsdd, …)
    #[arg(long, value_name = "DIR|NAME")]
    data: Option<String>,
    #[command(flatten)]
    train: TrainArgs,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    interrupt::install();
    let device = args.train.device.choose()?;
    let resumed = args.train.resume.as_deref().map(Run::<Experiment>::find);
    let resumed = resumed.transpose()?;
    let (mut experiment, stem) = match &resumed {
        Some(path) => {
            let loaded = Experiment::read(&run_dir::config_file(path), &args.train.overrides)?;
            echo(&loaded.changes);
            (loaded.value, String::new())
        }
        None => new_experiment(args, device.device)?,
    };
    if let Some(text) = &args.data {
        let (dir, layout) = data::locate(text);
        experiment.data.dir = Some(dir);
        experiment.data.layout = layout.or(experiment.data.layout);
    }
    experiment.data.apply(&args.train.data);
    args.train.apply(&mut experiment.train);
    experiment.validate()?;

    let progress = !args.train.no_progress;
    let audio = Audio::open(&mut experiment.data, progress)?;
    note(format_args!("data: {}", audio.origin));
    audio.findings.tell(experiment.data.strict)?;
    let val = Sequences::evenly(audio.sequences(Part::Val)?, experiment.data.val_count);
    let splits = Splits {
        train: Arc::new(Sequences::all(audio.sequences(Part::Train)?)),
        val: Some(Arc::new(val)),
        test: Some(Arc::new(Sequences::all(audio.sequences(Part::Test)?))),
    };
    let preview = &experiment.preview;
    let samples = (preview.seconds * f64::from(experiment.data.sample_rate()?)).ceil() as usize;
    let examples = audio.examples(Part::Val, preview.count as usize, samples)?;

    let device = device.announce();
    let mut objective = NextCode::new(&experiment, device)?.with_examples(examples);
    let piece = experiment.data.segment.unwrap_or(experiment.data.length) as i64;
    if experiment.model.backbone().is_ssm() {
        note(format_args!("convolution: {}", plan::summary(&objective.model().explain(piece))));
    }
    if args.train.dry_run {
        dry_run(&experiment.train, &mut objective, &splits)?;
        return Ok(Exit::Done);
    }
    let dir = match &resumed {
        Some(path) => RunDir::resume(path)?,
        None => args.train.create_run("audio", &stem)?,
    };
    let path = dir.path().to_owned();
    let data = Data::new(&audio.origin, &splits, CodeBatch::bytes)?;
    let setup = RunSetup { dir, config: config::to_toml(&experiment)?, data, progress };
    let mut trainer = Trainer::new(experiment.train, objective, splits, setup)?;
    let outcome = trainer.run()?;
    if let Outcome::Finished(_) = outcome {
        note(format_args!("done; to hear it: sashimi generate {}", pasted(&path)));
    }
    Ok(outcome.into())
}

/// The settings of a run that does not exist yet, and what to call it: data and settings.
fn new_experiment(args: &Args, device: Device) -> Result<(Experiment, String)> {
    if args.data.is_none() && args.train.config.is_none() {
        return Err(usage(
            "nothing to do: name audio with --data, a file with --config, or a run with --resume; \
             --help has the rest",
        ));
    }
    let data = args.data.as_deref();
    let (experiment, settings): (Experiment, _) = args.train.experiment(device, |name, set| {
        let preset = preset(name, data.unwrap_or_default())?;
        Ok((preset.load(set)?, preset.name.to_owned()))
    })?;
    let dir = match data {
        Some(text) => data::locate(text).0,
        None => experiment.data.dir.clone().unwrap_or_default(),
    };
    let name = dir.file_name().map(|name| name.to_string_lossy().into_owned());
    let stem = name.map_or_else(|| settings.clone(), |name| format!("{name}-{settings}"));
    Ok((experiment, stem))
}

/// The preset called `name`; `paper` is what the paper has for such data.
fn preset(name: &str, data: &str) -> Result<&'static Preset> {
    if name != "paper" {
        return Preset::find(name);
    }
    let (dir, layout) = data::locate(data);
    let layout = data::list(&dir, layout.as_deref())?.layout.name;
    let fitting = PRESETS.iter().find(|preset| preset.name == layout);
    let preset = fitting.map_or_else(|| Preset::find("youtubemix"), Ok)?;
    note(format_args!(
        "preset: {}, the paper's settings for audio of this kind ({layout})",
        preset.name
    ));
    Ok(preset)
}
