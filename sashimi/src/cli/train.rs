//! `train`: a new run, or the continuation of one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use audio_data::part::Part;
use clap::Args as ClapArgs;
use program::exit::{Exit, usage};
use program::names::pasted;
use program::output::{note, say};
use s4_core::conv::plan;
use tch::Device;
use training::args::TrainArgs;
use training::command::{self, NewRun, Opened, Program};
use training::device::Chosen;
use training::record::Data;
use training::run::Experiment as _;
use training::summary::Summary;
use training::train_config::TrainConfig;
use training::trainer::Splits;

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
    command::train(args, &args.train)
}

impl Program for Args {
    type Experiment = Experiment;
    type Objective = NextCode;

    /// Its name begins with those of the data and the settings.
    fn new_run(&self, args: &TrainArgs, device: Device) -> Result<NewRun<Experiment>> {
        if self.data.is_none() && args.config.is_none() {
            return Err(usage(
                "nothing to do: name audio with --data, a file with --config, or a run with \
                 --resume; --help has the rest",
            ));
        }
        let data = self.data.as_deref();
        let (loaded, settings) = args.experiment(device, |name, set| {
            let preset = preset(name, data.unwrap_or_default())?;
            Ok((preset.load(set)?, preset.name.to_owned()))
        })?;
        let (experiment, changes): (Experiment, _) = (loaded.value, loaded.changes);
        let dir = match data {
            Some(text) => data::locate(text).0,
            None => experiment.data.dir.clone().unwrap_or_default(),
        };
        let name = dir.file_name().map(|name| name.to_string_lossy().into_owned());
        let stem = name.map_or_else(|| settings.clone(), |name| format!("{name}-{settings}"));
        Ok(NewRun { experiment, task: "audio".to_owned(), stem, changes })
    }

    fn settings(experiment: &mut Experiment) -> &mut TrainConfig {
        &mut experiment.train
    }

    fn apply(&self, args: &TrainArgs, experiment: &mut Experiment) -> Result<()> {
        if let Some(text) = &self.data {
            let (dir, layout) = data::locate(text);
            experiment.data.dir = Some(dir);
            experiment.data.layout = layout.or(experiment.data.layout.take());
        }
        experiment.data.apply(&args.data);
        args.apply(&mut experiment.train);
        experiment.validate()
    }

    fn open(
        &self,
        args: &TrainArgs,
        experiment: &mut Experiment,
        device: &Chosen,
    ) -> Result<Opened<NextCode>> {
        let audio = Audio::open(&mut experiment.data, !args.no_progress)?;
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
        let objective = NextCode::new(experiment, device.announce())?.with_examples(examples);
        let piece = experiment.data.segment.unwrap_or(experiment.data.length) as i64;
        if experiment.model.backbone().is_ssm() {
            let plan = plan::summary(&objective.model().explain(piece));
            note(format_args!("convolution: {plan}"));
        }
        let data = Data::new(&audio.origin, &splits, CodeBatch::bytes)?;
        Ok(Opened { objective, splits, data })
    }

    fn check(&self, args: &TrainArgs, experiment: &mut Experiment) -> Result<()> {
        let strict = experiment.data.strict;
        Audio::open(&mut experiment.data, !args.no_progress)?.findings.refuse(strict)
    }

    fn finished(&self, folder: &Path) {
        note(format_args!("done; to hear it: sashimi generate {}", pasted(folder)));
    }

    fn compare(&self, runs: &[PathBuf]) -> Result<()> {
        say("bits per sample of the test split, and of the best validation:")?;
        for run in runs {
            let summary = Summary::read(run)?;
            let test = summary.as_ref().and_then(|summary| summary.test.as_ref());
            let test = test.and_then(|test| test.get("bits_per_sample"));
            let best = summary.as_ref().and_then(|summary| summary.best.as_ref());
            let figure = |value: Option<f64>| {
                value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"))
            };
            let best = figure(best.map(|best| best.value));
            say(format_args!("  {}  {best}  {}", figure(test), run.display()))?;
        }
        Ok(())
    }
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
