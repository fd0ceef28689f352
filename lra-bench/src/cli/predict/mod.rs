//! `predict`: what a trained model takes files for, which numbers it gives them, or how it continues them.
//!
//! Inputs are prepared as the run's data was, and put together in batches of `train.eval_batch_size`
//! in the order in which they come, as `evaluate` does: the same examples get the same bits.

mod forecast;
mod rows;
mod sources;

use std::io::{IsTerminal, stdin, stdout};
use std::path::{Path, PathBuf};

use anyhow::{Error, Result, ensure};
use clap::Args as ClapArgs;
use datasets::batch::{Batch, Example, Label, Sequences};
use datasets::inputs::{Input, Inputs};
use datasets::shape::Target;
use program::exit::{Exit, describe, usage};
use program::names::shown;
use program::output::{note, say_all};
use program::progress::Progress;
use program::{files, interrupt, panics};
use rayon::prelude::*;
use training::device::DeviceRequest;
use training::objective::{Objective, Phase};
use training::run::Run;

use self::rows::{Form, Row, Rows};
use self::sources::{STDIN, Source, find};
use crate::experiment::Experiment;
use crate::metrics::gather;
use crate::objective::Supervised;

/// Arguments of `predict`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Folder of a run, its name below runs/, or one of its checkpoints
    #[arg(value_name = "RUN")]
    run: String,
    /// What is to be predicted of: files, folders of files, or `-` for text on standard input, an input a line
    #[arg(value_name = "FILE|DIR", required = true)]
    inputs: Vec<PathBuf>,
    /// Comma-separated: file, label, probability, and a column with the probability of each class; or file,
    /// or of a series date, and a column for each target
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// A JSON object a line: file, label, probability, probabilities; or file, values; of a series: date,
    /// values
    #[arg(long)]
    json: bool,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Of a series: draw history, forecast and band as an SVG file
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Of a series: the column that is drawn [default: the last]
    #[arg(long, value_name = "NAME", requires = "plot")]
    column: Option<String>,
    /// Of a series: tell its last steps from those before them, with what came beside
    #[arg(long)]
    backtest: bool,
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
    let experiment = &run.experiment;
    let task = experiment.task()?;
    if let Some(read) = task.series {
        return forecast::run(args, &run, &read(task, &experiment.data)?);
    }
    if args.plot.is_some() || args.backtest {
        return Err(usage(format!(
            "--plot and --backtest are about series; {} has none",
            task.name
        )));
    }
    let inputs = task.inputs(&experiment.data)?;
    if let Target::PerPosition { .. } = inputs.shape.target {
        return Err(usage(format!(
            "{} asks for the next token: `lra-bench generate {} --prefix FILE` goes on from a text",
            task.name, args.run
        )));
    }
    if inputs.line.is_none() && args.inputs.iter().any(|path| path == Path::new(STDIN)) {
        return Err(usage(format!(
            "`-` is for text, an input a line; {} reads {}: name files or folders",
            experiment.task, inputs.about
        )));
    }
    if let Some(path) = &args.out {
        files::check_writable(path)?; // not only after the last input
    }
    let (sources, empty) = find(&args.inputs, &inputs);
    let device = args.device.choose()?.announce();
    let model = Supervised::new(experiment, &inputs.shape, device)?;
    run.load_weights(model.params())?;

    let total = sources.iter().map(Source::len).sum::<usize>() as u64;
    // Rows on the terminal show the progress themselves.
    let bar = !args.no_progress && (args.out.is_some() || !stdout().is_terminal());
    let form = match (args.csv, args.json) {
        (true, _) => Form::Csv,
        (_, true) => Form::Json,
        _ => Form::Text,
    };
    let mut predictor = Predictor {
        model: &model,
        inputs: &inputs,
        batch_size: experiment.train.eval_batch_size().max(1),
        pending: Vec::new(),
        rows: Rows::new(form, &inputs.shape.target)?,
        kept: args.out.is_some().then(String::new),
        done: 0,
        failed: empty,
        progress: Progress::new(bar, 0, total),
    };
    if !predictor.all(&sources, total)? {
        note("interrupted; the same command starts again");
        return Ok(Exit::Stopped);
    }
    if let (Some(path), Some(text)) = (&args.out, &predictor.kept) {
        files::write(path, text.as_bytes())?;
    }
    let Predictor { done, failed, .. } = predictor;
    ensure!(
        failed == 0,
        "{failed} of {} inputs could not be read; what is wrong with each is said above",
        done + failed
    );
    Ok(Exit::Done)
}

/// Inputs on their way through the model.
struct Predictor<'a> {
    model: &'a Supervised,
    inputs: &'a Inputs,
    batch_size: usize,
    /// Names and sequences of a batch that is not full yet.
    pending: Vec<(String, Vec<Sequences>)>,
    rows: Rows<'a>,
    /// Where rows are kept that are not printed.
    kept: Option<String>,
    /// Inputs that were classified.
    done: usize,
    /// Inputs that could not be read.
    failed: usize,
    progress: Progress,
}

impl Predictor<'_> {
    /// Classifies everything; `false` if the user interrupted.
    fn all(&mut self, sources: &[Source], total: u64) -> Result<bool> {
        let mut read = 0;
        for source in sources {
            match source {
                Source::Files(paths) => {
                    for group in paths.chunks(self.batch_size) {
                        if interrupt::requested() {
                            return Ok(false);
                        }
                        let inputs: Vec<_> =
                            group.par_iter().map(|path| self.inputs.read(path)).collect();
                        for (path, inputs) in group.iter().zip(inputs) {
                            match inputs {
                                Ok(inputs) => {
                                    inputs
                                        .into_iter()
                                        .try_for_each(|input| self.add(path, input))?;
                                }
                                Err(error) => self.fail(path, "", &error),
                            }
                        }
                        read += group.len() as u64;
                        self.progress.count(read, total, "files");
                    }
                }
                Source::Stdin => {
                    for input in self.inputs.lines(stdin().lock()) {
                        if interrupt::requested() {
                            return Ok(false);
                        }
                        self.add(Path::new(STDIN), input?)?;
                    }
                }
            }
        }
        self.classify()?;
        self.progress.finish();
        Ok(true)
    }

    fn add(&mut self, path: &Path, input: Input) -> Result<()> {
        match input.sequences {
            Ok(sequences) => {
                self.pending.push((format!("{}{}", path.display(), input.place), sequences));
            }
            Err(error) => self.fail(path, &input.place, &error),
        }
        if self.pending.len() == self.batch_size { self.classify() } else { Ok(()) }
    }

    fn fail(&mut self, path: &Path, place: &str, error: &Error) {
        self.failed += 1;
        let (name, reason) = (shown(path), describe(error));
        let named = !name.is_empty() && reason.contains(&name);
        let place = if named { String::new() } else { format!("{name}{place}: ") };
        self.progress.line(&format!("skipped: {place}{reason}"));
    }

    /// Classifies the inputs that are pending.
    fn classify(&mut self) -> Result<()> {
        let (names, examples): (Vec<_>, Vec<_>) = self
            .pending
            .drain(..)
            // Nobody knows the label, and nobody asks for it.
            .map(|(name, sequences)| (name, Example { sequences, label: Label::Class(0) }))
            .unzip();
        if examples.is_empty() {
            return Ok(());
        }
        let batch = Batch::of(&examples, self.inputs.padding)?;
        let _guard = tch::no_grad_guard();
        let outputs = panics::as_errors("the model", || {
            self.model.outputs(&self.model.upload(&batch)?, Phase::Eval)
        })?;
        let rows: Vec<Row> = names
            .into_iter()
            .zip(gather::host(&outputs)?)
            .map(|(file, outputs)| Row { file, outputs })
            .collect();
        self.done += rows.len();
        let text = self.rows.render(&rows)?;
        match &mut self.kept {
            Some(kept) => kept.push_str(&text),
            None => say_all(text)?,
        }
        Ok(())
    }
}
