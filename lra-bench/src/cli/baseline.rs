//! `baseline`: what n-grams and mixed contexts reach on a task, in the figures of `evaluate`.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Args as ClapArgs;
use datasets::batch::Sequences;
use datasets::shape::Target;
use datasets::split::Split;
use datasets::tasks;
use datasets::tasks::density::Picture;
use program::exit::{Exit, usage};
use program::interrupt;
use program::output::{note, say};
use program::progress::Progress;
use serde_json::json;
use tch::Device;
use training::args::EvalSplit;
use training::objective::Objective;
use training::run::Run;

use crate::baseline::context_mixer::ContextMixer;
use crate::baseline::kneser_ney::KneserNey;
use crate::experiment::{Experiment, Preset};
use crate::objective::Supervised;

/// Arguments of `baseline`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// A task on language (n-grams with Kneser-Ney smoothing) or on the density of pictures (mixed
    /// contexts)
    #[arg(long, value_name = "NAME", required_unless_present = "with")]
    task: Option<String>,
    /// Folder with the task's files in their official layout
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Change one setting of the data, e.g. data.unit="characters"; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", conflicts_with = "with")]
    overrides: Vec<String>,
    /// test or val
    #[arg(long, default_value = "test")]
    split: EvalSplit,
    /// Tokens of an n-gram [default: 3 of words, 6 of characters and bytes]
    #[arg(long, value_name = "N")]
    order: Option<usize>,
    /// Take this from every count, in place of discounts that are estimated
    #[arg(long, value_name = "D")]
    discount: Option<f64>,
    /// Interpolate with what this run predicts, in shares that are best on the validation split; the task
    /// and its data are the run's
    #[arg(long, value_name = "RUN", conflicts_with = "task")]
    with: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Plain lines instead of a progress bar
    #[arg(long)]
    no_progress: bool,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    if let Some(discount) = args.discount {
        ensure!((0.0..1.0).contains(&discount), "--discount is {discount}; it must be in [0, 1)");
    }
    if let Some(order) = args.order {
        ensure!((1..=100).contains(&order), "--order is {order}; it must be 1 to 100");
    }
    interrupt::install();
    let run: Option<Run<Experiment>> = args.with.as_deref().map(Run::open).transpose()?;
    let mut experiment = match &run {
        Some(run) => run.experiment.clone(),
        None => {
            let task = tasks::find(args.task.as_deref().unwrap_or_default())?;
            Experiment::preset(task, Preset::Small, &args.overrides)?.value
        }
    };
    if let Some(data) = &args.data {
        experiment.set_data_dir(data);
    }
    let splits = experiment.open(!args.no_progress)?;
    splits.findings.tell(false)?;
    note(format_args!("data: {}", splits.origin));
    let task = experiment.task()?;
    let Target::PerPosition { vocabulary } = splits.shape.target else {
        return Err(usage(format!(
            "{} asks for no next token: baselines are of tasks that do",
            task.name
        )));
    };
    let metric = (task.metric)(&experiment.data).context("such a task has a metric")?;
    let began = Instant::now();
    let of_split = |split: &EvalSplit| match split {
        EvalSplit::Test => &splits.test,
        EvalSplit::Val => &splits.val,
    };
    let (name, nats, count) = match Picture::of(task) {
        Some(picture) => {
            ensure!(
                run.is_none() && args.order.is_none() && args.discount.is_none(),
                "--with, --order and --discount are for texts"
            );
            let Some((nats, count)) =
                of_pictures(args, picture, &splits.train, of_split(&args.split))?
            else {
                note("interrupted");
                return Ok(Exit::Stopped);
            };
            ("mixed contexts".to_owned(), nats, count)
        }
        None => {
            let is_words = metric == datasets::metric::Metric::PERPLEXITY;
            let order = args.order.unwrap_or(if is_words { 3 } else { 6 });
            let (train, text) = (text(&splits.train)?, text(of_split(&args.split))?);
            let ngrams = KneserNey::fit(&train, order, vocabulary as usize, args.discount);
            let own = ngrams.nll(&text);
            let name = format!("Kneser-Ney of order {order}");
            match &run {
                None => (name, own.iter().sum::<f64>(), own.len()),
                Some(run) => {
                    let mut model = Supervised::new(&experiment, &splits.shape, Device::Cpu)?;
                    run.load_weights(model.params())?;
                    let tune = ngrams.nll(&self::text(&splits.val)?);
                    let share = best_share(&tune, &of_model(&mut model, &splits.val)?);
                    let nats = mixed(&own, &of_model(&mut model, of_split(&args.split))?, share);
                    let share = 100.0 * share;
                    (
                        format!("{name}, {share:.0}% of it and the rest of {}", run.path.display()),
                        nats,
                        own.len(),
                    )
                }
            }
        }
    };
    let (loss, seconds) = (nats / count as f64, began.elapsed().as_secs_f64());
    let value = metric.of_nats(loss);
    if args.json {
        say(json!({
            "task": task.name,
            "split": args.split.to_string(),
            "baseline": name,
            "count": count,
            "loss": loss,
            metric.name: value,
            "seconds": seconds,
        }))?;
    } else {
        let words = metric.name.replace('_', " ");
        say(format_args!(
            "{} {}: {words} {} (loss {loss:.4}) on {count} tokens by {name}, in {seconds:.1} s",
            task.name,
            args.split,
            metric.show(value)
        ))?;
    }
    Ok(Exit::Done)
}

/// All that a split asks for, in order.
fn text(split: &Split) -> Result<Vec<u32>> {
    let mut all = Vec::new();
    for index in 0..split.len() {
        interrupt::check()?;
        all.extend(asked(split, index)?.map(|token| token as u32));
    }
    Ok(all)
}

/// What example `index` asks for.
fn asked(split: &Split, index: usize) -> Result<impl Iterator<Item = i64>> {
    match split.example(index)?.sequences.pop() {
        Some(Sequences::Tokens(tokens)) => Ok(tokens.into_iter().skip(1)),
        _ => anyhow::bail!("example {index} is not of tokens"),
    }
}

/// -log p of each token of a split by a model, with the state carried.
fn of_model(model: &mut Supervised, split: &Split) -> Result<Vec<f64>> {
    let _guard = tch::no_grad_guard();
    model.carry(Default::default())?;
    let mut all = Vec::new();
    for index in 0..split.len() {
        interrupt::check()?;
        if !split.is_stream() {
            model.carry(Default::default())?;
        }
        all.extend(model.nll(&split.batch(&[index])?)?);
    }
    Ok(all)
}

/// The nats of a mixture that has this share of the first.
fn mixed(first: &[f64], second: &[f64], share: f64) -> f64 {
    let mix = |(a, b): (&f64, &f64)| -(share * (-a).exp() + (1.0 - share) * (-b).exp()).ln();
    first.iter().zip(second).map(mix).sum()
}

/// The share of the first, in hundredths, of the best mixture.
fn best_share(first: &[f64], second: &[f64]) -> f64 {
    let shares = (0..=100).map(|hundredths| f64::from(hundredths) / 100.0);
    let scored = shares.map(|share| (share, mixed(first, second, share)));
    scored.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0.0, |(share, _)| share)
}

/// Nats of the pictures of a split, and their bytes, after all that are trained on; none if the user
/// interrupted.
fn of_pictures(
    args: &Args,
    picture: Picture,
    train: &Split,
    split: &Split,
) -> Result<Option<(f64, usize)>> {
    let mut mixer = ContextMixer::new(picture);
    let progress = Progress::new(!args.no_progress, 0, (train.len() + split.len()) as u64);
    let (mut done, mut nats, mut count) = (0, 0.0, 0);
    for (split, is_judged) in [(train, false), (split, true)] {
        for index in 0..split.len() {
            if interrupt::requested() {
                progress.finish();
                return Ok(None);
            }
            let bytes: Vec<u8> = asked(split, index)?.map(|byte| byte as u8).collect();
            let of_picture = mixer.nll(&bytes);
            if is_judged {
                nats += of_picture;
                count += bytes.len();
            }
            done += 1;
            progress.step(done);
        }
    }
    progress.finish();
    Ok(Some((nats, count)))
}
