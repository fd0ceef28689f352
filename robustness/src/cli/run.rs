//! `run`: a model on a suite.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ClapArgs;
use program::exit::{Exit, usage};
use program::files::{self, CACHE};
use program::interrupt;
use program::names::shown;
use program::output::{note, say, say_all};
use training::device::DeviceRequest;

use crate::predictions::Predictions;
use crate::probe::Probes;
use crate::report::{Report, terminal};
use crate::results::FILE;
use crate::runner::Runner;
use crate::subject;
use crate::suite::Suite;

/// Arguments of `run`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Folder of a run, its name below runs/, or one of its checkpoints
    #[arg(value_name = "RUN")]
    run: String,
    /// quick (a minute), standard (under ten), full (all examples), or a TOML file
    #[arg(long, value_name = "NAME|FILE", default_value = "standard")]
    suite: String,
    /// Where the data is, if not where the run was trained on it
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Recordings of noise to mix in, if the suite names none [default: _background_noise_ of the data]
    #[arg(long, value_name = "DIR")]
    background_noise: Option<PathBuf>,
    /// Folder of the results instead of robustness/SUITE in the run
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Draw as many examples instead of what the suite says
    #[arg(long, value_name = "N")]
    examples: Option<usize>,
    /// Seed of all randomness instead of what the suite says
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Folder that predictions are kept in
    #[arg(long, value_name = "DIR", default_value = CACHE)]
    cache: PathBuf,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto")]
    device: DeviceRequest,
    /// One JSON object, the same as in the file
    #[arg(long)]
    json: bool,
    /// Plain lines instead of a progress bar
    #[arg(long)]
    no_progress: bool,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    interrupt::install();
    if args.examples == Some(0) {
        return Err(usage("--examples must be at least 1"));
    }
    let device = args.device.choose()?.announce();
    let subject = subject::open(&args.run, args.data.as_ref(), device)?;
    let about = subject.about();
    let noise = args.background_noise.clone().or_else(|| subject.background_noise());
    let (mut suite, preset) = Suite::open(&args.suite, about.kind, noise)?;
    if preset.is_some() && subject.as_codes().is_some() {
        suite.probes = Some(Probes::default());
    }
    if preset.is_some() {
        suite.transformation.retain(|change| {
            (subject.has_rate() || !change.rate)
                && (subject.takes_any_length() || change.name != "padding")
        });
    }
    suite.examples = args.examples.or(suite.examples);
    suite.seed = args.seed.unwrap_or(suite.seed);
    let out = match &args.out {
        Some(out) => out.clone(),
        None => about.run.join("robustness").join(&suite.name),
    };
    files::create_folder(&out)?;
    let file = out.join(FILE);
    files::check_writable(&file)?;
    let kept = Predictions::of(&args.cache, &about.model);
    let seconds = preset.and_then(|preset| preset.seconds());
    let seconds = seconds.filter(|_| suite.examples.is_none());
    let (runner, drawn) = Runner::new(&*subject, suite, seconds, kept, !args.no_progress)?;
    note(format_args!("{}: {drawn}", about.kind));
    let results = match runner.run(drawn) {
        Err(_) if interrupt::requested() => {
            note("interrupted; predictions are kept, and the same command goes on");
            return Ok(Exit::Stopped);
        }
        results => results?,
    };
    results.write(&out)?;
    if args.json {
        say(serde_json::to_string(&results)?)?;
    } else {
        say_all(terminal::text(&Report::new(std::slice::from_ref(&results))?))?;
    }
    note(format_args!("kept: {}", shown(&file)));
    Ok(Exit::Done)
}
