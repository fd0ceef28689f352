//! `vocode`: recordings made anew from their mel spectrograms.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args as ClapArgs;
use program::exit::{Exit, usage};
use program::files::create_folder;
use program::findings::Findings;
use program::interrupt;
use training::device::DeviceRequest;
use training::run::Run;

use super::denoise::{Bar, Way, stopped, write};
use super::load_diffusion;
use crate::data::file;
use crate::experiment::Experiment;

/// Arguments of `vocode`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Folder of a run, its name below runs/, or one of its checkpoints
    #[arg(value_name = "RUN")]
    run: String,
    /// Audio files
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Folder to write to, under the names of the files
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace files that are there already
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    way: Way,
    /// The same seed gives the same sound
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto")]
    device: DeviceRequest,
    /// Plain lines instead of a progress bar
    #[arg(long)]
    no_progress: bool,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    interrupt::install();
    let run: Run<Experiment> = Run::open(&args.run)?;
    let data = &run.experiment.data;
    if data.mel.is_none() {
        return Err(usage(format!(
            "{} is no vocoder; one is trained with --objective diffusion --mel",
            run.path.display()
        )));
    }
    let paths = args.files.iter().map(|file| place(&args.out, file)).collect::<Result<Vec<_>>>()?;
    let mut taken = HashSet::new();
    for (path, file) in paths.iter().zip(&args.files) {
        ensure!(
            taken.insert(path),
            "two of the files would be written to {}: vocode them into different folders",
            path.display()
        );
        let same = path.canonicalize().ok().zip(file.canonicalize().ok());
        ensure!(
            same.is_none_or(|(path, file)| path != file),
            "{} would be written over itself: --out DIR names another folder",
            file.display()
        );
        if path.exists() && !args.overwrite {
            bail!(
                "{} is there already: --overwrite replaces it, --out DIR writes elsewhere",
                path.display()
            );
        }
    }
    let (schedule, _) = args.way.schedule(&run.experiment)?;
    let (model, _) = load_diffusion(&run, args.device.choose()?.announce())?;
    let mel = model.mel().context("the run has a spectrogram")?;
    create_folder(&args.out).context("--out DIR names another folder")?;
    let mut findings = Findings::default();
    let bar = Bar::new(!args.no_progress, paths.len(), schedule.len(), "files");
    for (place, (file, path)) in args.files.iter().zip(&paths).enumerate() {
        let (samples, level) = file::samples(file, data, &mut findings)?;
        let sounds = model.denoiser(&schedule).begin_like(args.seed, &samples, mel);
        let sounds = sounds.with_context(|| file.display().to_string())?;
        let Some(sounds) = bar.follow(sounds, place)? else { return Ok(stopped()) };
        let restored: Vec<f32> = sounds[0].iter().map(|&sample| level.restore(sample)).collect();
        write(path, &restored, data.sample_rate()?, args.overwrite)?;
    }
    bar.finish();
    findings.tell(false)?;
    Ok(Exit::Done)
}

/// Where the file becomes a WAV file of the same name.
fn place(out: &Path, file: &Path) -> Result<PathBuf> {
    let stem = file.file_stem().with_context(|| format!("{} is no file", file.display()))?;
    let mut name = stem.to_owned();
    name.push(".wav");
    Ok(out.join(name))
}
