//! `generate`: new audio from a run's best weights.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use audio_data::quantise::Quantiser;
use audio_data::read::Reader;
use audio_data::wav_out::{MOST, WavWriter};
use clap::Args as ClapArgs;
use program::exit::{Exit, describe, usage};
use program::files::create_folder;
use program::findings::Findings;
use program::interrupt;
use program::names::{folder_stem, shown};
use program::output::{note, say};
use program::progress::Progress;
use s4_stream::Precision;
use training::device::DeviceRequest;
use training::objective::Objective;
use training::run::Run;

use super::denoise::{self, Way};
use super::load;
use crate::data::file::{self, Heard, Level};
use crate::experiment::Experiment;
use dsp::runaway::Monitor;
use generation::sampling::Sampling;
use generation::{self, Generator, agreement, stream};

/// Arguments of `generate`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Folder of a run, its name below runs/, or one of its checkpoints
    #[arg(value_name = "RUN")]
    run: String,
    /// Length of what is generated, in seconds [default: 4; of diffusion, what it was trained on]
    #[arg(long, value_name = "S")]
    pub(super) seconds: Option<f64>,
    /// Number of samples
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) count: u64,
    /// Folder to write to [default: samples/ in the run's folder]
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Replace files that are there already
    #[arg(long)]
    pub(super) overwrite: bool,
    #[command(flatten)]
    pub(super) way: Way,
    #[command(flatten)]
    sampling: Sampling,
    /// Audio file to continue: every sample begins with it, as the model hears it
    #[arg(long, value_name = "FILE")]
    prefix: Option<PathBuf>,
    /// The same seed gives the same samples
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) seed: u64,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto")]
    pub(super) device: DeviceRequest,
    /// What weights are kept in on the CPU: float32, or int16, which generates a single sample faster
    /// and differs by up to 1e-3 in log p (float32: 1e-4), as is checked first
    #[arg(long, value_name = "P", default_value_t)]
    precision: Precision,
    /// Generate even where recurrence and convolution of the model do not agree
    #[arg(long)]
    no_check: bool,
    /// Plain lines instead of a progress bar
    #[arg(long)]
    pub(super) no_progress: bool,
}

impl Args {
    /// Refuses what a run of diffusion has nothing to do with.
    fn refuse_codes(&self) -> Result<()> {
        let Sampling { temperature, top_k, top_p } = self.sampling;
        let given = [
            ("--temperature", temperature != Sampling::default().temperature),
            ("--top-k", top_k.is_some()),
            ("--top-p", top_p.is_some()),
            ("--prefix", self.prefix.is_some()),
            ("--precision", self.precision != Precision::default()),
            ("--no-check", self.no_check),
        ];
        match given.iter().find(|(_, given)| *given) {
            None => Ok(()),
            Some((flag, _)) => Err(usage(format!(
                "{flag} is for models that predict codes one after the other; {} is a run of diffusion, \
                 which takes --steps or --fast",
                self.run
            ))),
        }
    }
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    let seconds = args.seconds.unwrap_or(4.0);
    ensure!(seconds.is_finite() && seconds > 0.0, "--seconds must be above 0, got {seconds}");
    ensure!(args.count > 0, "--count must be at least 1");
    args.sampling.validate()?;
    interrupt::install();
    let trained: Run<Experiment> = Run::open(&args.run)?;
    let experiment = &trained.experiment;
    if experiment.diffusion.is_some() {
        args.refuse_codes()?;
        return denoise::generate(args, &trained);
    }
    args.way.refuse(&args.run)?;
    let (rate, quantiser) = (experiment.data.sample_rate()?, experiment.data.quantiser()?);
    let mut findings = Findings::default();
    let prefix = match &args.prefix {
        None => None,
        Some(prefix) => {
            Some(file::hear(prefix, &experiment.data, &mut findings).context("--prefix")?)
        }
    };
    let (prefix, level) = match prefix {
        None => (Vec::new(), None),
        Some(Heard { codes, level }) => (codes, Some(level)),
    };
    findings.tell(false)?;
    let device = args.device.choose()?.announce();
    let (objective, step) = load(&trained, device)?;
    let model = objective.model();
    let engine = stream::model(experiment, &experiment.model, objective.params());
    let engine = match args.precision {
        Precision::Float32 => engine.unwrap_or_else(|error| {
            note(format_args!("slower, by libtorch: {}", describe(&error)));
            None
        }),
        Precision::Int16 => {
            const NEEDS: &str = "--precision int16 needs the streaming engine";
            let engine = engine.context(NEEDS)?;
            let engine = engine
                .with_context(|| format!("{NEEDS}, which runs on the CPU: add --device cpu"))?;
            Some(engine.int16())
        }
    };
    let folder = args.out.clone().unwrap_or_else(|| trained.path.join("samples"));
    let paths: Vec<_> =
        (0..args.count).map(|number| folder.join(file_name(args, step, number))).collect();
    let samples = (seconds * f64::from(rate)).round().max(1.0) as u64;
    let most = MOST.saturating_sub(prefix.len() as u64);
    ensure!(
        samples <= most,
        "--seconds is {seconds}; a WAV file holds at most {:.0} at {rate} Hz{}",
        (most as f64 / f64::from(rate)).floor(),
        if prefix.is_empty() { "" } else { " after this prefix" }
    );
    if !args.overwrite {
        ensure_none_is_lost(&paths, prefix.len() as u64 + samples)?;
    }
    if !args.no_check {
        agreement::check(model, engine.as_ref(), quantiser.levels(), agreement::LENGTH)?;
    }
    let heard: Vec<u32> =
        [&quantiser.zero()].into_iter().chain(&prefix).map(|&code| code.into()).collect();
    let start = generation::after(model, engine.as_ref(), &heard, args.count as usize)?;
    let mut generator = Generator::new(start, args.sampling, args.seed, 0..args.count)?;

    create_folder(&folder).context("--out DIR names another folder for the samples")?;
    let voice = |path| {
        let voice = Voice::new(path, rate, quantiser, level, &prefix)?;
        Ok(if args.overwrite { voice } else { voice.keeping_others() })
    };
    let voices = paths.into_iter().map(voice);
    let mut voices = voices.collect::<Result<Vec<_>>>()?;
    let progress = Progress::new(!args.no_progress, 0, samples);
    let (start, mut made) = (Instant::now(), 0);
    for sample in 0..samples {
        if interrupt::requested() {
            break;
        }
        made = (sample + 1) * args.count;
        for (voice, code) in voices.iter_mut().zip(generator.next_codes()?) {
            voice.push(code as u16)?;
        }
        if sample % 500 == 0 {
            progress.step(sample);
            let made = sample as f64 / f64::from(rate);
            let text = format!("{made:.2} of {seconds} s");
            progress.figures(&text, &text);
        }
    }
    progress.finish();
    let speed = made as f64 / start.elapsed().as_secs_f64();
    note(format_args!(
        "{speed:.0} samples in a second, {} side by side: {:.2} times as fast as they play",
        args.count,
        speed / f64::from(rate)
    ));
    // All files before the first name, which nobody may want to read.
    let written = voices.into_iter().map(Voice::finish).collect::<Result<Vec<_>>>()?;
    written.iter().try_for_each(|path| say(path.display()))?;
    if interrupt::requested() {
        note("interrupted; what was generated so far is written");
        return Ok(Exit::Stopped);
    }
    Ok(Exit::Done)
}

/// The name of a sample, which tells all that it is made of but its length and what is usual.
fn file_name(args: &Args, step: u64, number: u64) -> String {
    let Sampling { temperature, top_k, top_p } = args.sampling;
    let mut name = format!("step{step}-seed{}", args.seed);
    let mut tell = |text: String| name.push_str(&text);
    if temperature != Sampling::default().temperature {
        tell(format!("-temperature{temperature}"));
    }
    if let Some(k) = top_k {
        tell(format!("-top-k{k}"));
    }
    if let Some(p) = top_p {
        tell(format!("-top-p{p}"));
    }
    if args.precision != Precision::default() {
        tell(format!("-{}", args.precision));
    }
    if let Some(stem) = args.prefix.as_deref().and_then(Path::file_stem) {
        tell(format!("-after-{}", folder_stem(&stem.to_string_lossy())));
    }
    format!("{name}-{number:03}.wav")
}

/// Refuses to begin what would end in the way of other files. Those that are no longer may be the
/// beginnings of what is made now: that shows at the end.
pub(super) fn ensure_none_is_lost(paths: &[PathBuf], samples: u64) -> Result<()> {
    let frames = |path: &Path| Reader::open(path).ok().and_then(|reader| reader.format().frames);
    let is_lost =
        |path: &&PathBuf| path.exists() && frames(path).is_none_or(|frames| frames > samples);
    if let Some(path) = paths.iter().find(is_lost) {
        bail!(
            "{} is there already, and longer or another file: --overwrite replaces it, --out DIR \
             writes elsewhere, --seed N makes other samples",
            shown(path)
        );
    }
    Ok(())
}

/// One sample on its way to its file.
struct Voice {
    path: PathBuf,
    writer: WavWriter,
    quantiser: Quantiser,
    /// That of the recording that is continued.
    level: Option<Level>,
    monitor: Monitor,
    /// Not yet written.
    block: Vec<f32>,
}

/// Samples that are written together.
const BLOCK: usize = 1024;

impl Voice {
    fn new(
        path: PathBuf,
        rate: u32,
        quantiser: Quantiser,
        level: Option<Level>,
        prefix: &[u16],
    ) -> Result<Self> {
        let writer = WavWriter::create(&path, rate)?;
        let monitor = Monitor::new(rate);
        let mut voice = Self { path, writer, quantiser, level, monitor, block: Vec::new() };
        let heard: Vec<f32> = prefix.iter().map(|&code| quantiser.decode(code)).collect();
        voice.write(&heard)?;
        Ok(voice)
    }

    fn write(&mut self, samples: &[f32]) -> Result<()> {
        match self.level {
            None => self.writer.write(samples),
            Some(level) => {
                let restored: Vec<f32> = samples.iter().map(|&x| level.restore(x)).collect();
                self.writer.write(&restored)
            }
        }
    }

    fn keeping_others(self) -> Self {
        Self { writer: self.writer.keeping_others(), ..self }
    }

    fn push(&mut self, code: u16) -> Result<()> {
        self.block.push(self.quantiser.decode(code));
        if self.block.len() == BLOCK { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let block = std::mem::take(&mut self.block);
        self.monitor.push(&block);
        self.write(&block)?;
        self.block = block;
        self.block.clear();
        Ok(())
    }

    /// Completes the file, warns of what is wrong with the sound, and returns its name.
    fn finish(mut self) -> Result<PathBuf> {
        self.flush()?;
        self.writer.finish()?;
        for warning in self.monitor.warnings() {
            note(format_args!("warning: {}: {warning}", self.path.display()));
        }
        Ok(self.path)
    }
}
