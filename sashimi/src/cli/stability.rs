//! `stability`: whether the recurrences of trained models stay bounded, by their eigenvalues and by
//! what they generate over ten times the length that they were trained on.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use clap::Args as ClapArgs;
use models::Network;
use program::exit::{Exit, describe};
use program::output::{note, say};
use program::progress::Progress;
use program::{files, interrupt};
use report::chart::{Chart, Series};
use s4_core::layer::inspect;
use serde::Serialize;
use serde_json::json;
use tch::Device;
use training::device::DeviceRequest;
use training::run::Run;

use super::load;
use crate::experiment::Experiment;
use generation::Generator;
use generation::sampling::Sampling;
use generation::tensors::Tensors;

/// Arguments of `stability`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Folders of runs to compare, or their names below runs/
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<String>,
    /// How much is generated, in lengths of a training sequence
    #[arg(long, value_name = "N", default_value_t = 10.0)]
    times: f64,
    /// Sequences generated side by side
    #[arg(long, value_name = "N", default_value_t = 4)]
    count: u64,
    /// Write a chart of the levels of output and state to this SVG file
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// The same seed gives the same samples
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto")]
    device: DeviceRequest,
    /// One JSON object a line, for each run
    #[arg(long)]
    json: bool,
    /// Plain lines instead of a progress bar
    #[arg(long)]
    no_progress: bool,
}

/// Points of a level curve.
const POINTS: u64 = 100;

/// What is found out about one run.
#[derive(Debug, Serialize)]
struct Study {
    run: String,
    /// How Re A is stored: `none` leaves it unconstrained.
    real_transform: String,
    step: u64,
    /// The largest |eigenvalue| of Ā of any channel, by layer.
    spectral_radius: Vec<(String, f64)>,
    /// Channels whose radius is above 1, of all channels.
    unstable_channels: i64,
    channels: i64,
    /// Samples generated, and the root mean square of the output up to each.
    level: Vec<(u64, f64)>,
    /// The largest root mean square of a layer's state at the same samples.
    state: Vec<(u64, f64)>,
    /// Why generation ended early, if it did.
    failure: Option<String>,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    ensure!(args.times > 0.0 && args.times.is_finite(), "--times must be above 0");
    ensure!(args.count > 0, "--count must be at least 1");
    if let Some(folder) = args.plot.as_deref().and_then(Path::parent) {
        files::create_folder(folder)?;
    }
    interrupt::install();
    let device = args.device.choose()?.announce();
    let mut studies = Vec::new();
    // A chart is drawn of what was measured also where that cannot be printed.
    let mut told = Ok(());
    for run in &args.runs {
        let Some(study) = study(&Run::open(run)?, args, device)? else {
            note("interrupted; nothing was changed");
            return Ok(Exit::Stopped);
        };
        told = told.and_then(|()| if args.json { say(json!(study)) } else { print(&study) });
        studies.push(study);
    }
    if let Some(file) = &args.plot {
        files::write(file, chart(&studies).to_svg()?.as_bytes())?;
        note(format_args!("chart: {}", file.display()));
    }
    told.map(|()| Exit::Done)
}

fn study(run: &Run<Experiment>, args: &Args, device: Device) -> Result<Option<Study>> {
    let experiment = &run.experiment;
    let (objective, step) = load(run, device)?;
    let model = objective.model();
    let transform = serde_json::to_value(experiment.model.layer.ssm.real_transform)?;
    let mut study = Study {
        run: run.path.display().to_string(),
        real_transform: transform.as_str().unwrap_or_default().to_owned(),
        step,
        spectral_radius: Vec::new(),
        unstable_channels: 0,
        channels: 0,
        level: Vec::new(),
        state: Vec::new(),
        failure: None,
    };
    for (place, part) in inspect::parts(model.backbone()) {
        let radius = part.spectral_radius()?;
        study.spectral_radius.push((place.name, radius.max().double_value(&[])));
        study.unstable_channels += radius.gt(1.0).sum(tch::Kind::Int64).int64_value(&[]);
        study.channels += radius.numel() as i64;
    }
    let samples = (args.times * experiment.data.length as f64).ceil() as u64;
    if generate(model, experiment, args, samples, &mut study)? { Ok(Some(study)) } else { Ok(None) }
}

/// Fills in the levels; `false` if the user interrupted.
fn generate(
    model: &Network,
    experiment: &Experiment,
    args: &Args,
    samples: u64,
    study: &mut Study,
) -> Result<bool> {
    let quantiser = experiment.data.quantiser()?;
    let start = Tensors::after(model, &[quantiser.zero().into()], args.count as usize)?;
    let mut generator = Generator::new(start, Sampling::default(), args.seed, 0..args.count)?;
    let progress = Progress::new(!args.no_progress, 0, samples);
    let every = samples.div_ceil(POINTS);
    let (mut power, mut heard) = (0.0, 0);
    for sample in 1..=samples {
        if interrupt::requested() {
            return Ok(false);
        }
        match generator.next_codes() {
            Ok(codes) => {
                let decoded = codes.iter().map(|&code| f64::from(quantiser.decode(code as u16)));
                power += decoded.map(|x| x * x).sum::<f64>();
                heard += codes.len();
            }
            Err(error) => {
                study.failure = Some(format!("after {sample} samples: {}", describe(&error)));
                break;
            }
        }
        if sample % every == 0 {
            study.level.push((sample, (power / heard as f64).sqrt()));
            study.state.push((sample, generator.source().state_level()));
            (power, heard) = (0.0, 0);
            progress.step(sample);
            let text = format!("{sample} of {samples} samples");
            progress.figures(&text, &text);
        }
    }
    progress.finish();
    Ok(true)
}

fn print(study: &Study) -> Result<()> {
    say(format_args!("{} (Re A: {}, step {})", study.run, study.real_transform, study.step))?;
    for (place, radius) in &study.spectral_radius {
        let mark = if *radius > 1.0 { "  unstable" } else { "" };
        say(format_args!("  {place:<12} spectral radius {radius:.8}{mark}"))?;
    }
    let Study { unstable_channels, channels, .. } = study;
    say(format_args!("  {unstable_channels} of {channels} channels are unstable"))?;
    for (name, curve) in [("output level", &study.level), ("largest state", &study.state)] {
        if let (Some((_, first)), Some((at, last))) = (curve.first(), curve.last()) {
            say(format_args!("  {name}: {first:.3e} at first, {last:.3e} after {at} samples"))?;
        }
    }
    match &study.failure {
        Some(failure) => say(format_args!("  failed {failure}")),
        None => Ok(()),
    }
}

fn chart(studies: &[Study]) -> Chart {
    let mut series = Vec::new();
    for study in studies {
        let points = |curve: &[(u64, f64)]| curve.iter().map(|&(at, y)| (at as f64, y)).collect();
        let name = format!("{} (Re A: {})", short(&study.run), study.real_transform);
        let mut add = |name, points| series.push(Series { name, points, ..Series::default() });
        add(format!("output, {name}"), points(&study.level));
        add(format!("state, {name}"), points(&study.state));
    }
    Chart {
        title: "Output and state level of generated audio".to_owned(),
        x_label: "samples".to_owned(),
        y_label: "root mean square".to_owned(),
        log: true,
        series,
        ..Chart::default()
    }
}

fn short(run: &str) -> String {
    let name = Path::new(run).file_name();
    name.map_or_else(|| run.to_owned(), |name| name.to_string_lossy().into_owned())
}
