//! `train`: a new run, or the continuation of one.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use audio_data::part::Part;
use clap::{Args as ClapArgs, ValueEnum};
use program::exit::{Exit, usage};
use program::names::pasted;
use program::output::{note, say};
use s4_core::conv::plan;
use strum::Display;
use tch::Device;
use training::args::TrainArgs;
use training::command::{self, NewRun, Opened, Program};
use training::device::Chosen;
use training::objective::Objective;
use training::record::Data;
use training::run::{Experiment as _, Run};
use training::run_dir;
use training::summary::Summary;
use training::train_config::TrainConfig;
use training::trainer::Splits;

use crate::data::batch::{CodeBatch, Sequences};
use crate::data::sound::SoundBatch;
use crate::data::{self, Audio};
use crate::experiment::{Experiment, PRESETS, Preset};
use crate::objective::{Diffusion, NextCode};

/// Arguments of `train`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Folder of audio files, or the name of a data set below data/ (sc09, fsdd, …)
    #[arg(long, value_name = "DIR|NAME")]
    data: Option<String>,
    /// What is learned: next-code, to predict the next sample, or diffusion, to find the noise in noisy
    /// sound [default: that of --config or --preset, or else next-code]
    #[arg(long, value_enum, value_name = "NAME", conflicts_with = "resume")]
    objective: Option<Task>,
    /// Diffusion as a vocoder: sound from its mel spectrogram
    #[arg(long, conflicts_with = "resume")]
    mel: bool,
    #[command(flatten)]
    train: TrainArgs,
}

/// What a model learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, ValueEnum)]
#[strum(serialize_all = "kebab-case")]
enum Task {
    NextCode,
    Diffusion,
}

impl Task {
    fn of(experiment: &Experiment) -> Self {
        match experiment.diffusion {
            None => Task::NextCode,
            Some(_) => Task::Diffusion,
        }
    }
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    let task = args.task()?;
    if args.mel && task != Task::Diffusion {
        return Err(usage("--mel is for --objective diffusion"));
    }
    match task {
        Task::NextCode => command::train(&Training::<NextCode>::of(args), &args.train),
        Task::Diffusion => command::train(&Training::<Diffusion>::of(args), &args.train),
    }
}

impl Args {
    /// What is asked for, or what the settings of a run, a file or a preset are about.
    fn task(&self) -> Result<Task> {
        let TrainArgs { resume, config, preset, .. } = &self.train;
        let experiment = match (self.objective, resume, config, preset) {
            (Some(task), ..) => return Ok(task),
            (_, Some(run), ..) => {
                let several = run_dir::find_group(run_dir::root(), run);
                let first = several.and_then(|folder| run_dir::runs(&folder).into_iter().next());
                Run::read(&first.map_or_else(|| Run::<Experiment>::find(run), Ok)?)?.experiment
            }
            (_, _, Some(file), _) => Experiment::read(file, &[])?.value,
            (_, _, _, Some(name)) if name != "paper" => Preset::find(name)?.load(&[])?.value,
            _ => return Ok(Task::NextCode),
        };
        Ok(Task::of(&experiment))
    }

    /// The preset that is meant by `name`: `paper` is what the paper has for such data, and `small` and
    /// `paper` are those of what is learned.
    fn preset(&self, task: Task, name: &str) -> Result<&'static Preset> {
        match (task, name) {
            (Task::NextCode, "paper") => paper(self.data.as_deref().unwrap_or_default()),
            (Task::Diffusion, "paper") if self.mel => Preset::find("ljspeech"),
            (Task::Diffusion, "paper") => Preset::find("sc09-diffwave"),
            (Task::Diffusion, "small") => Preset::find("small-diffwave"),
            _ => Preset::find(name),
        }
    }
}

/// Training of one kind of model.
struct Training<'a, O> {
    args: &'a Args,
    objective: PhantomData<fn() -> O>,
}

impl<'a, O> Training<'a, O> {
    fn of(args: &'a Args) -> Self {
        Self { args, objective: PhantomData }
    }
}

/// A model of audio with its loss, as training begins with it.
trait Learner: Objective + Sized {
    const TASK: Task;
    /// The figure by which runs are compared, and what it is.
    const FIGURE: (&str, &str);

    fn open(audio: &Audio, experiment: &Experiment, device: &Chosen) -> Result<Opened<Self>>;
}

impl Learner for NextCode {
    const TASK: Task = Task::NextCode;
    const FIGURE: (&str, &str) = ("bits_per_sample", "bits per sample");

    fn open(audio: &Audio, experiment: &Experiment, device: &Chosen) -> Result<Opened<Self>> {
        let val = Sequences::evenly(audio.sequences(Part::Val)?, experiment.data.val_count);
        let splits = Splits {
            train: Arc::new(Sequences::all(audio.sequences(Part::Train)?)),
            val: Some(Arc::new(val)),
            test: Some(Arc::new(Sequences::all(audio.sequences(Part::Test)?))),
        };
        let (count, samples) = experiment.preview()?;
        let examples = audio.examples(Part::Val, count, samples)?;
        let objective = NextCode::new(experiment, device.announce())?.with_examples(examples);
        let piece = experiment.data.segment.unwrap_or(experiment.data.length) as i64;
        if experiment.model.backbone().is_ssm() {
            let plan = plan::summary(&objective.model().explain(piece));
            note(format_args!("convolution: {plan}"));
        }
        let data = Data::new(&audio.origin, &splits, CodeBatch::bytes)?;
        Ok(Opened { objective, splits, data })
    }
}

impl Learner for Diffusion {
    const TASK: Task = Task::Diffusion;
    const FIGURE: (&str, &str) = ("loss", "loss");

    fn open(audio: &Audio, experiment: &Experiment, device: &Chosen) -> Result<Opened<Self>> {
        let splits = Splits {
            train: Arc::new(audio.sounds(Part::Train)?),
            val: Some(Arc::new(audio.sounds(Part::Val)?)),
            test: Some(Arc::new(audio.sounds(Part::Test)?)),
        };
        let (count, samples) = experiment.preview()?;
        let examples = audio.sound_examples(Part::Val, count, samples)?;
        let objective = Diffusion::new(experiment, device.announce())?.with_examples(examples);
        let data = Data::new(&audio.origin, &splits, SoundBatch::bytes)?;
        Ok(Opened { objective, splits, data })
    }
}

impl<O: Learner> Program for Training<'_, O> {
    type Experiment = Experiment;
    type Objective = O;

    /// Its name begins with those of the data and the settings.
    fn new_run(&self, args: &TrainArgs, device: Device) -> Result<NewRun<Experiment>> {
        if self.args.data.is_none() && args.config.is_none() {
            return Err(usage(
                "nothing to do: name audio with --data, a file with --config, or a run with \
                 --resume; --help has the rest",
            ));
        }
        let data = self.args.data.as_deref();
        let (loaded, settings) = args.experiment(device, |name, set| {
            let preset = self.args.preset(O::TASK, name)?;
            Ok((preset.load(set)?, preset.name.to_owned()))
        })?;
        let (experiment, changes): (Experiment, _) = (loaded.value, loaded.changes);
        let found = Task::of(&experiment);
        if found != O::TASK {
            return Err(usage(format!(
                "{settings} is of objective {found}, not {}: leave --objective out, or choose other \
                 settings",
                O::TASK
            )));
        }
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
        if let Some(text) = &self.args.data {
            let (dir, layout) = data::locate(text);
            experiment.data.dir = Some(dir);
            experiment.data.layout = layout.or(experiment.data.layout.take());
        }
        if let Some(diffusion) = experiment.diffusion.as_mut().filter(|_| self.args.mel) {
            diffusion.network.mel.get_or_insert_default();
            experiment.complete_mel();
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
    ) -> Result<Opened<O>> {
        let audio = Audio::open(&mut experiment.data, !args.no_progress)?;
        note(format_args!("data: {}", audio.origin));
        audio.findings.tell(experiment.data.strict)?;
        O::open(&audio, experiment, device)
    }

    fn check(&self, args: &TrainArgs, experiment: &mut Experiment) -> Result<()> {
        let strict = experiment.data.strict;
        Audio::open(&mut experiment.data, !args.no_progress)?.findings.refuse(strict)
    }

    fn finished(&self, folder: &Path) {
        note(format_args!("done; to hear it: sashimi generate {}", pasted(folder)));
    }

    fn compare(&self, runs: &[PathBuf]) -> Result<()> {
        let (figure, words) = O::FIGURE;
        say(format_args!("{words} of the test split, and of the best validation:"))?;
        for run in runs {
            let summary = Summary::read(run)?;
            let test = summary.as_ref().and_then(|summary| summary.test.as_ref());
            let test = test.and_then(|test| test.get(figure));
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

/// The preset of what the paper has for the audio in `data`.
fn paper(data: &str) -> Result<&'static Preset> {
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
