//! `train`: a new run, or the continuation of one.

use std::sync::Arc;

use anyhow::Result;
use audio_data::part::Part;
use clap::Args as ClapArgs;
use program::config;
use program::exit::{Exit, usage};
use program::interrupt;
use s4_core::conv::plan;
use tch::Device;
use training::device::Chosen;
use training::run_dir::{self, RunDir};
use training::train_args::TrainArgs;
use training::trainer::{Outcome, RunSetup, Splits, Trainer};

use super::runs_root;
use crate::data::batch::Sequences;
use crate::data::{self, Audio};
use crate::experiment::{Experiment, PRESETS, Preset};
use crate::objective::NextCode;

/// Arguments of `train`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Folder of audio files, or the name of a data set below data/ (sc09, fsdd, …)
    #[arg(long, value_name = "DIR|NAME")]
    data: Option<String>,
    /// Ready-made settings: small, sc09, sc09-unet, youtubemix, beethoven, or paper for those that
    /// the paper has for such data [default: paper on a GPU, small on a CPU]
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Damaged files are an error rather than skipped
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    train: TrainArgs,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    interrupt::install()?;
    let Chosen { device, reason } = args.train.device.choose()?;
    eprintln!("device: {reason}");
    let resumed = args.train.resume.as_ref().map(|run| run_dir::find(&runs_root(), run));
    let resumed = resumed.transpose()?;
    let (mut experiment, stem) = match &resumed {
        Some(path) => {
            let loaded = Experiment::read(&run_dir::config_file(path), &args.train.overrides)?;
            TrainArgs::echo(&loaded.changes);
            (loaded.value, String::new())
        }
        None => new_experiment(args, device)?,
    };
    if let Some(text) = &args.data {
        let (dir, layout) = data::locate(text);
        experiment.data.dir = Some(dir);
        experiment.data.layout = layout.or(experiment.data.layout);
    }
    experiment.data.strict |= args.strict;
    args.train.apply(&mut experiment.train);
    experiment.validate()?;

    let progress = !args.train.no_progress;
    let audio = Audio::open(&mut experiment.data, progress)?;
    eprintln!("data: {}", audio.origin);
    let val = Sequences::evenly(audio.sequences(Part::Val)?, experiment.data.val_count);
    let splits = Splits {
        train: Arc::new(Sequences::all(audio.sequences(Part::Train)?)),
        val: Some(Arc::new(val)),
        test: Some(Arc::new(Sequences::all(audio.sequences(Part::Test)?))),
    };
    let preview = &experiment.preview;
    let samples = (preview.seconds * f64::from(experiment.data.sample_rate()?)).ceil() as usize;
    let examples = audio.examples(Part::Val, preview.count as usize, samples)?;

    let dir = match (&resumed, &args.train.run_dir) {
        (Some(path), _) => RunDir::resume(path)?,
        (None, Some(path)) => RunDir::create(path)?,
        (None, None) => RunDir::create_numbered(&runs_root(), "audio", &stem)?,
    };
    let path = dir.path().to_owned();
    let objective = NextCode::new(&experiment, device)?.with_examples(examples);
    let piece = experiment.data.segment.unwrap_or(experiment.data.length) as i64;
    eprintln!("convolution: {}", plan::summary(&objective.model().explain(piece)));
    let setup = RunSetup { dir, config: config::to_toml(&experiment)?, progress };
    let mut trainer = Trainer::new(experiment.train, objective, splits, setup)?;
    let outcome = trainer.run()?;
    if let Outcome::Finished(_) = outcome {
        eprintln!("done; to hear it: sashimi generate {}", path.display());
    }
    Ok(outcome.into())
}

/// The settings of a run that does not exist yet, and what to call it: data and settings.
fn new_experiment(args: &Args, device: Device) -> Result<(Experiment, String)> {
    let (loaded, settings) = match (&args.train.config, &args.data) {
        (Some(file), _) => {
            let stem = file.file_stem().map_or("config".into(), |s| s.to_string_lossy());
            (Experiment::read(file, &args.train.overrides)?, stem.into_owned())
        }
        (None, Some(data)) => {
            let preset = preset(args.preset.as_deref(), data, device)?;
            (preset.load(&args.train.overrides)?, preset.name.to_owned())
        }
        (None, None) => {
            return Err(usage(
                "nothing to do: name audio with --data, a file with --config, or a run with \
                 --resume; --help has the rest",
            ));
        }
    };
    TrainArgs::echo(&loaded.changes);
    let experiment = loaded.value;
    let (dir, _) = match &args.data {
        Some(text) => data::locate(text),
        None => (experiment.data.dir.clone().unwrap_or_default(), None),
    };
    let name = dir.file_name().map(|name| name.to_string_lossy().into_owned());
    let stem = name.map_or_else(|| settings.clone(), |name| format!("{name}-{settings}"));
    Ok((experiment, stem))
}

/// The preset that was asked for, or the default: `paper` where a GPU makes it feasible, `small`
/// elsewhere. `paper` is what the paper has for such data.
fn preset(asked: Option<&str>, data: &str, device: Device) -> Result<&'static Preset> {
    let name = match (asked, device) {
        (Some(name), _) => name,
        (None, Device::Cpu) => {
            eprintln!(
                "preset: small, as is the default on a CPU; --preset paper has the paper's settings"
            );
            "small"
        }
        (None, _) => "paper",
    };
    if name != "paper" {
        return Preset::find(name);
    }
    let (dir, layout) = data::locate(data);
    let layout = data::list(&dir, layout.as_deref())?.layout.name;
    let fitting = PRESETS.iter().find(|preset| preset.name == layout);
    let preset = fitting.map_or_else(|| Preset::find("youtubemix"), Ok)?;
    eprintln!("preset: {}, the paper's settings for audio of this kind ({layout})", preset.name);
    Ok(preset)
}
