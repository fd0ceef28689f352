//! `generate`: texts and pictures, token by token, from a run's best weights.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Args as ClapArgs;
use datasets::language::vocabulary::{START, Vocabulary};
use datasets::shape::Shape;
use datasets::tasks::density::{self, Picture};
use datasets::tasks::language;
use generation::sampling::Sampling;
use generation::{Generator, agreement, stream};
use program::exit::{Exit, describe, usage};
use program::output::{note, say, say_all};
use program::progress::Progress;
use program::{files, interrupt};
use training::device::DeviceRequest;
use training::objective::Objective;
use training::run::Run;

use crate::experiment::Experiment;
use crate::objective::Supervised;
use crate::picture_sheet;

/// Arguments of `generate`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Folder of a run, its name below runs/, or one of its checkpoints
    #[arg(value_name = "RUN")]
    run: String,
    /// Number of texts or pictures
    #[arg(long, value_name = "N", default_value_t = 1)]
    count: u64,
    /// Tokens of a text: words, characters or bytes, as the run has them [default: 500]; a picture is
    /// made as a whole
    #[arg(long, value_name = "N")]
    length: Option<usize>,
    /// File with the beginning of every text
    #[arg(long, value_name = "FILE")]
    prefix: Option<PathBuf>,
    /// Folder to write to: a file for each text, one for all pictures [default: texts are printed,
    /// pictures go to samples/ in the run's folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    sampling: Sampling,
    /// The same seed gives the same texts or pictures
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto")]
    device: DeviceRequest,
    /// Generate even where recurrence and convolution of the model do not agree
    #[arg(long)]
    no_check: bool,
    /// Plain lines instead of a progress bar
    #[arg(long)]
    no_progress: bool,
}

/// Tokens over which convolution and recurrence are compared.
const CHECKED: usize = 1000;

pub(super) fn run(args: &Args) -> Result<Exit> {
    ensure!(args.count > 0, "--count must be at least 1");
    args.sampling.validate()?;
    interrupt::install();
    let run: Run<Experiment> = Run::open(&args.run)?;
    let task = run.experiment.task()?;
    if let Some(picture) = Picture::of(task) {
        return pictures(args, &run, picture);
    }
    if !language::is_of(task, &run.experiment.data) {
        return Err(usage(format!(
            "{} is a run of {}, which asks for no next token; runs of tasks on language and on the \
             density of pictures generate (`lra-bench tasks` lists them)",
            args.run, task.name
        )));
    }
    texts(args, &run, &language::vocabulary(task, &run.experiment.data)?)
}

fn texts(args: &Args, run: &Run<Experiment>, vocabulary: &Vocabulary) -> Result<Exit> {
    let prefix = match &args.prefix {
        None => Vec::new(),
        Some(path) => {
            let text = fs::read(path).map_err(files::cannot("read", path)).context("--prefix")?;
            vocabulary.encode(&text)
        }
    };
    let length = args.length.unwrap_or(500);
    let Some(made) = tokens(args, run, vocabulary.size(), &prefix, length)? else {
        return Ok(interrupted());
    };
    let texts = made.sequences.iter().map(|tokens| vocabulary.decode(tokens));
    for (number, text) in texts.enumerate() {
        match &args.out {
            None => {
                if args.count > 1 {
                    note(format_args!("{} of {}:", number + 1, args.count));
                }
                say_all(format_args!("{text}\n"))?;
            }
            Some(folder) => {
                files::create_folder(folder).context("--out")?;
                let name = format!("step{}-seed{}-{number:03}.txt", made.step, args.seed);
                files::write(&folder.join(name), text.as_bytes())?;
            }
        }
    }
    let unit = vocabulary.unit();
    note(format_args!("{:.0} {unit} in a second, {} side by side", made.speed, args.count));
    Ok(Exit::Done)
}

/// All pictures in one, as square as they come.
fn pictures(args: &Args, run: &Run<Experiment>, picture: Picture) -> Result<Exit> {
    if args.prefix.is_some() || args.length.is_some() {
        return Err(usage(
            "--prefix and --length are for texts; pictures are made as a whole".to_owned(),
        ));
    }
    let Some(made) = tokens(args, run, density::LEVELS, &[], picture.subpixels())? else {
        return Ok(interrupted());
    };
    let folder = args.out.clone().unwrap_or_else(|| run.path.join("samples"));
    files::create_folder(&folder).context("--out")?;
    let path = folder.join(format!("step{}-seed{}.png", made.step, args.seed));
    files::write(&path, &picture_sheet::png(&made.sequences, picture)?)?;
    say(path.display())?;
    let speed = made.speed / picture.subpixels() as f64;
    note(format_args!("{speed:.3} pictures in a second, {} side by side", args.count));
    Ok(Exit::Done)
}

fn interrupted() -> Exit {
    note("interrupted; nothing was written");
    Exit::Stopped
}

/// What was generated.
struct Made {
    /// The prefix, and what follows it.
    sequences: Vec<Vec<u32>>,
    /// Step of the weights.
    step: u64,
    /// Tokens in a second, of all sequences together.
    speed: f64,
}

/// `length` tokens after `prefix`, `--count` times; `None` if the user interrupted.
fn tokens(
    args: &Args,
    run: &Run<Experiment>,
    vocabulary: usize,
    prefix: &[u32],
    length: usize,
) -> Result<Option<Made>> {
    let experiment = &run.experiment;
    let shape = Shape::next_token(vocabulary as i64);
    let device = args.device.choose()?.announce();
    let model = Supervised::new(experiment, &shape, device)?;
    let step = run.load_weights(model.params())?;
    let (network, levels) = (model.model(), vocabulary);
    let engine = stream::model(experiment, &experiment.model, model.params());
    let engine = engine.unwrap_or_else(|error| {
        note(format_args!("slower, by libtorch: {}", describe(&error)));
        None
    });
    if !args.no_check {
        agreement::check(network, engine.as_ref(), levels, CHECKED)?;
    }
    let heard: Vec<u32> = [&START].into_iter().chain(prefix).copied().collect();
    let start = generation::after(network, engine.as_ref(), &heard, args.count as usize)?;
    let mut generator = Generator::new(start, args.sampling, args.seed, 0..args.count)?;
    let mut sequences = vec![prefix.to_vec(); args.count as usize];
    let progress = Progress::new(!args.no_progress, 0, length as u64);
    let began = Instant::now();
    for position in 0..length {
        if interrupt::requested() {
            progress.finish();
            return Ok(None);
        }
        for (sequence, token) in sequences.iter_mut().zip(generator.next_codes()?) {
            sequence.push(token);
        }
        progress.step(position as u64 + 1);
    }
    progress.finish();
    let speed = (length as u64 * args.count) as f64 / began.elapsed().as_secs_f64();
    Ok(Some(Made { sequences, step, speed }))
}
