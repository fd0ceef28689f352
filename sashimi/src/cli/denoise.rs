//! What `generate` and `vocode` do with a run of diffusion.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use audio_data::wav_out::{MOST, WavWriter};
use clap::Args;
use models::diffusion::schedule::Schedule;
use program::exit::{Exit, usage};
use program::files::create_folder;
use program::interrupt;
use program::output::{note, say};
use program::progress::Progress;
use tch::Device;
use training::run::Run;

use super::generate;
use super::load_diffusion;
use crate::denoise::Sounds;
use crate::experiment::Experiment;

/// The way from noise to sound.
#[derive(Debug, Args)]
pub(super) struct Way {
    /// Of diffusion: this many steps, evenly taken [default: all]
    #[arg(long, value_name = "N", conflicts_with = "fast")]
    steps: Option<usize>,
    /// Of diffusion: the few steps of diffusion.fast
    #[arg(long)]
    fast: bool,
}

impl Way {
    /// Refuses it for the run `name`, which is not of diffusion.
    pub(super) fn refuse(&self, name: &str) -> Result<()> {
        let flag = match self {
            Way { steps: Some(_), .. } => "--steps",
            Way { fast: true, .. } => "--fast",
            _ => return Ok(()),
        };
        Err(usage(format!("{flag} is for runs of diffusion; {name} predicts codes one by one")))
    }

    /// The steps that are meant, and how a file's name tells of them.
    pub(super) fn schedule(&self, experiment: &Experiment) -> Result<(Schedule, String)> {
        let config = experiment.diffusion.as_ref().context("the run is not of diffusion")?;
        let all = Schedule::training(config);
        Ok(match self.steps {
            _ if self.fast => (Schedule::fast(config), "-fast".to_owned()),
            None => (all, String::new()),
            Some(steps) => (all.evenly(steps).context("--steps")?, format!("-steps{steps}")),
        })
    }
}

/// Sounds that are made at once. On a CPU one after the other: then each has the same bits whatever is
/// made beside it, and an interruption loses one only.
fn at_once(device: Device) -> usize {
    if device.is_cuda() { 16 } else { 1 }
}

/// New sounds out of nothing.
pub(super) fn generate(args: &generate::Args, run: &Run<Experiment>) -> Result<Exit> {
    let (schedule, way) = args.way.schedule(&run.experiment)?;
    let data = &run.experiment.data;
    ensure!(
        data.mel.is_none(),
        "{} is a vocoder, which needs spectrograms: sashimi vocode {} FILE.wav --out DIR",
        run.path.display(),
        run.path.display()
    );
    let rate = data.sample_rate()?;
    let samples = match args.seconds {
        None => data.length,
        Some(seconds) => (seconds * f64::from(rate)).round().max(1.0) as usize,
    };
    ensure!(samples as u64 <= MOST, "--seconds is more than a WAV file holds at {rate} Hz");
    let device = args.device.choose()?.announce();
    let (model, step) = load_diffusion(run, device)?;
    let folder = args.out.clone().unwrap_or_else(|| run.path.join("samples"));
    let name = |number| format!("step{step}-seed{}{way}-{number:03}.wav", args.seed);
    let paths: Vec<PathBuf> = (0..args.count).map(|number| folder.join(name(number))).collect();
    if !args.overwrite {
        generate::ensure_none_is_lost(&paths, samples as u64)?;
    }
    create_folder(&folder).context("--out DIR names another folder for the samples")?;
    let denoiser = model.denoiser(&schedule);
    let numbers: Vec<u64> = (0..args.count).collect();
    let bar = Bar::new(!args.no_progress, args.count as usize, schedule.len(), "samples");
    for (place, numbers) in numbers.chunks(at_once(device)).enumerate() {
        let sounds = denoiser.begin(args.seed, numbers, samples, None)?;
        let first = place * at_once(device);
        let Some(sounds) = bar.follow(sounds, first)? else { return Ok(stopped()) };
        for (number, sound) in numbers.iter().zip(sounds) {
            write(&paths[*number as usize], &sound, rate, args.overwrite)?;
        }
    }
    bar.finish();
    Ok(Exit::Done)
}

/// A bar for all steps of some sounds.
pub(super) struct Bar {
    progress: Progress,
    /// Sounds in all, and steps of each.
    count: usize,
    steps: usize,
    /// What they are called.
    what: &'static str,
}

impl Bar {
    pub(super) fn new(wanted: bool, count: usize, steps: usize, what: &'static str) -> Self {
        let progress = Progress::new(wanted, 0, (count * steps) as u64);
        Self { progress, count, steps, what }
    }

    /// Makes the steps of `sounds`, of which `before` others were made before; none if the user
    /// interrupts.
    pub(super) fn follow(
        &self,
        mut sounds: Sounds,
        before: usize,
    ) -> Result<Option<Vec<Vec<f32>>>> {
        let Self { progress, count, steps, what } = self;
        while sounds.left() > 0 {
            if interrupt::requested() {
                progress.finish();
                return Ok(None);
            }
            sounds.step()?;
            progress.step((before * steps + steps - sounds.left()) as u64);
            let text = format!("{before} of {count} {what}");
            progress.figures(&text, &text);
        }
        Ok(Some(sounds.samples()?))
    }

    pub(super) fn finish(&self) {
        self.progress.finish();
    }
}

/// Writes a sound and says where.
pub(super) fn write(path: &Path, samples: &[f32], rate: u32, overwrite: bool) -> Result<()> {
    let writer = WavWriter::create(path, rate)?;
    let mut writer = if overwrite { writer } else { writer.keeping_others() };
    writer.write(samples)?;
    writer.finish()?;
    say(path.display())
}

pub(super) fn stopped() -> Exit {
    note("interrupted; what was finished before is written");
    Exit::Stopped
}
