//! `metrics`: how good generated sound is, between real sound and noise.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use audio_data::read::{Reader, resampled};
use audio_data::wav_out::WavWriter;
use clap::Args as ClapArgs;
use program::exit::Exit;
use program::findings::tell_skipped;
use program::interrupt;
use program::names::shown;
use program::output::{note, say};
use program::progress::Progress;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use report::bootstrap::Bootstrap;
use serde::Serialize;
use training::device::DeviceRequest;

use crate::data::file::sounds;
use crate::metrics::classifier::{Classifier, Heard};
use crate::metrics::nearest::{self, Neighbour};
use crate::metrics::reduction::Reduction;
use crate::metrics::study::{Reference, Scores};

/// Arguments of `metrics`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Folder of real sounds; best ones that the model was not trained on
    #[arg(long, value_name = "DIR")]
    real: PathBuf,
    /// Folder of generated sounds; given again, several are compared
    #[arg(long, value_name = "DIR", required = true)]
    generated: Vec<PathBuf>,
    /// Folder of the sounds that the model was trained on, to compare with [default: every second one of
    /// --real]
    #[arg(long, value_name = "DIR")]
    train: Option<PathBuf>,
    /// A run of lra-bench that classifies such sounds
    #[arg(long, value_name = "RUN")]
    classifier: String,
    /// Dimensions of the features: their first principal components, where there are more
    #[arg(long, value_name = "N", default_value_t = 64)]
    dimensions: i64,
    /// Resamples of the intervals
    #[arg(long, value_name = "N", default_value_t = 200)]
    bootstrap: usize,
    /// The same seed gives the same intervals, cells and noise
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto")]
    device: DeviceRequest,
    /// One JSON object
    #[arg(long)]
    json: bool,
    /// Plain lines instead of a progress bar
    #[arg(long)]
    no_progress: bool,
}

/// Fewer sounds than this make scores that say little.
const FEW: usize = 200;
/// Copied sounds that are named in the table.
const NAMED: usize = 5;

#[derive(Debug, Serialize)]
struct Report {
    classifier: String,
    /// Dimensions of the features.
    features: i64,
    reference: Counted,
    sets: Vec<Set>,
    /// Files that could not be read, and why.
    skipped: Vec<(PathBuf, String)>,
}

#[derive(Debug, Serialize)]
struct Counted {
    dir: PathBuf,
    count: usize,
}

#[derive(Debug, Serialize)]
struct Set {
    /// `real`, `noise`, or the folder of generated sounds.
    name: String,
    count: usize,
    #[serde(flatten)]
    scores: Scores,
    /// Of generated sounds.
    nearest: Option<Nearest>,
}

/// How near sounds are to those that were trained on.
#[derive(Debug, Serialize)]
struct Nearest {
    copied: usize,
    /// The least distances of real held-out sounds.
    real_distance: f64,
    real_mel_distance: f64,
    neighbours: Vec<Neighbour>,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    ensure!(args.dimensions >= 1, "--dimensions must be at least 1");
    interrupt::install();
    let (reference, held_out) = match &args.train {
        Some(train) => (sounds(train)?, sounds(&args.real)?),
        None => halves(sounds(&args.real)?)?,
    };
    let mut sets = vec![("real".to_owned(), held_out)];
    for dir in &args.generated {
        sets.push((shown(dir), sounds(dir)?));
    }
    let classifier = Classifier::open(&args.classifier, args.device.choose()?.announce())?;

    let mut skipped = Vec::new();
    let hear = |files: &[PathBuf], skipped: &mut Vec<_>| {
        let progress = Progress::new(!args.no_progress, 0, files.len() as u64);
        let heard = classifier.hear(files, skipped, &progress);
        progress.finish();
        heard
    };
    let stopped = || {
        note("interrupted; the same command starts again");
        Ok(Exit::Stopped)
    };
    let Some(reference) = hear(&reference, &mut skipped)? else { return stopped() };
    let mut heard = Vec::new();
    for (name, files) in sets {
        let Some(set) = hear(&files, &mut skipped).with_context(|| name.clone())? else {
            return stopped();
        };
        heard.push((name, set));
    }
    let folder = tempfile::tempdir().context("a folder for noise")?;
    let noise = noise_like(&heard[0].1.files, folder.path(), args.seed)?;
    let Some(noise) = hear(&noise, &mut Vec::new())? else { return stopped() };
    heard.push(("noise".to_owned(), noise));

    let dir = args.train.as_ref().unwrap_or(&args.real).clone();
    let report = report(args, dir, &reference, &heard, skipped)?;
    tell_skipped(&report.skipped, "; --json names all");
    for set in report.sets.iter().filter(|set| set.count < FEW) {
        note(format_args!(
            "warning: {} sounds of {} are few: scores of fewer than {FEW} say little, and the distance \
             is too large; compare sets of as many",
            set.count, set.name
        ));
    }
    if args.json {
        say(serde_json::to_string(&report)?)?;
    } else {
        print(&report)?;
    }
    Ok(Exit::Done)
}

/// Every second file, and the others.
fn halves(files: Vec<PathBuf>) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    ensure!(files.len() >= 4, "{} real sounds are too few to compare with", files.len());
    let (even, odd): (Vec<_>, Vec<_>) =
        files.into_iter().enumerate().partition(|(number, _)| number % 2 == 0);
    let files = |half: Vec<(usize, PathBuf)>| half.into_iter().map(|(_, file)| file).collect();
    Ok((files(even), files(odd)))
}

/// For each of `files` one of white noise in `folder`, of the same length and loudness.
fn noise_like(files: &[PathBuf], folder: &Path, seed: u64) -> Result<Vec<PathBuf>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut noise = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let rate = Reader::open(file)?.format().rate;
        let mut samples = Vec::new();
        resampled(file, rate, |block| samples.extend_from_slice(block))?;
        let power = samples.iter().map(|x| x * x).sum::<f32>() / samples.len().max(1) as f32;
        let peak = (3.0 * power).sqrt(); // of uniform noise
        samples.iter_mut().for_each(|x| *x = peak * random.random_range(-1.0..=1.0));
        let path = folder.join(format!("{number}.wav"));
        let mut writer = WavWriter::create(&path, rate)?;
        writer.write(&samples)?;
        writer.finish()?;
        noise.push(path);
    }
    Ok(noise)
}

fn report(
    args: &Args,
    dir: PathBuf,
    reference: &Heard,
    heard: &[(String, Heard)],
    skipped: Vec<(PathBuf, String)>,
) -> Result<Report> {
    let reduction = Reduction::of(&reference.features, args.dimensions)?;
    let features = reduction.apply(&reference.features);
    let bootstrap = Bootstrap { replicates: args.bootstrap, seed: args.seed };
    let compared = Reference::new(&features, &reference.probabilities, bootstrap)?;
    // Nothing is near to noise, the last set.
    let sounding =
        heard[..heard.len() - 1].iter().map(|(_, set)| nearest::spectrograms(&set.files));
    let spectrograms = sounding.collect::<Result<Vec<_>>>()?;
    let theirs = nearest::spectrograms(&reference.files)?;
    let width = spectrograms.iter().flatten().chain(&theirs).map(Vec::len).max().unwrap_or(0);
    let mels = nearest::rows(&theirs, width);
    let distances = |number: usize| -> Result<_> {
        let by_features = reduction.apply(&heard[number].1.features);
        let by_mel = nearest::rows(&spectrograms[number], width);
        Ok((nearest::nearest(&by_features, &features)?, nearest::nearest(&by_mel, &mels)?))
    };
    let (real, real_mel) = distances(0)?;
    let (real, real_mel) = (least(&real), least(&real_mel));
    let mut sets = Vec::new();
    for (number, (name, set)) in heard.iter().enumerate() {
        let scores = compared.scores(&reduction.apply(&set.features), &set.probabilities);
        let scores = scores.with_context(|| name.clone())?;
        let is_generated = number > 0 && number + 1 < heard.len();
        let nearest = if is_generated {
            let (by_features, by_mel) = distances(number)?;
            let pairs = by_features.into_iter().zip(by_mel);
            let neighbours: Vec<Neighbour> = set
                .files
                .iter()
                .zip(pairs)
                .map(|(file, ((index, distance), (_, mel_distance)))| Neighbour {
                    file: file.clone(),
                    nearest: reference.files[index].clone(),
                    distance,
                    mel_distance,
                    copied: distance < real && mel_distance < real_mel,
                })
                .collect();
            let copied = neighbours.iter().filter(|neighbour| neighbour.copied).count();
            Some(Nearest { copied, real_distance: real, real_mel_distance: real_mel, neighbours })
        } else {
            None
        };
        sets.push(Set { name: name.clone(), count: set.files.len(), scores, nearest });
    }
    Ok(Report {
        classifier: args.classifier.clone(),
        features: features.size()[1],
        reference: Counted { dir, count: reference.files.len() },
        sets,
        skipped,
    })
}

fn least(distances: &[(usize, f64)]) -> f64 {
    distances.iter().map(|(_, distance)| *distance).fold(f64::INFINITY, f64::min)
}

fn print(report: &Report) -> Result<()> {
    let Report { classifier, features, reference, sets, .. } = report;
    say(format_args!(
        "{features} features of {classifier}; compared with {} sounds of {}",
        reference.count,
        shown(&reference.dir)
    ))?;
    let width = sets.iter().map(|set| set.name.chars().count()).max().unwrap_or(0).max(4);
    say(format_args!(
        "{:<width$} {:>6}  {:<20} {:<18} {:<20} {:<18} {:<18} official IS, mIS",
        "set", "count", "FID", "IS", "mIS", "AM", "NDB"
    ))?;
    for Set { name, count, scores, .. } in sets {
        let Scores { fid, is, mis, am, ndb, official } = scores;
        say(format_args!(
            "{name:<width$} {count:>6}  {fid:<20} {is:<18} {mis:<20} {am:<18} {ndb:<18} {:.2}, {:.2}",
            official.is, official.mis
        ))?;
    }
    for (set, nearest) in sets.iter().filter_map(|set| Some((set, set.nearest.as_ref()?))) {
        say(format_args!("{}: {} of {} copied", set.name, nearest.copied, set.count))?;
        let copied = nearest.neighbours.iter().filter(|neighbour| neighbour.copied);
        for Neighbour { file, nearest, .. } in copied.take(NAMED) {
            say(format_args!("  {} is as {}", shown(file), shown(nearest)))?;
        }
    }
    Ok(())
}
