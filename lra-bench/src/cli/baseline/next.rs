//! N-grams of a text, alone or interpolated with a run, and mixed contexts of pictures.

use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::Args as ClapArgs;
use datasets::batch::Sequences;
use datasets::metric::Metric;
use datasets::split::Split;
use datasets::tasks::density::Picture;
use datasets::tasks::{Splits, Task};
use program::exit::{Exit, usage};
use program::interrupt;
use program::output::{note, say};
use program::progress::Progress;
use serde_json::json;
use tch::Device;
use training::objective::Objective;
use training::run::Run;

use super::Args;
use crate::baseline::context_mixer::ContextMixer;
use crate::baseline::kneser_ney::KneserNey;
use crate::experiment::Experiment;
use crate::objective::Supervised;

/// What n-grams of texts are to be.
#[derive(Debug, ClapArgs)]
pub(super) struct Texts {
    /// Of texts: tokens of an n-gram [default: 3 of words, 6 of characters and bytes]
    #[arg(long, value_name = "N")]
    order: Option<usize>,
    /// Of texts: take this from every count, in place of discounts that are estimated
    #[arg(long, value_name = "D")]
    discount: Option<f64>,
    /// Of texts: interpolate with what this run predicts, in shares that are best on the validation split;
    /// the task and its data are the run's
    #[arg(long, value_name = "RUN", conflicts_with = "task")]
    pub(super) with: Option<String>,
}

impl Texts {
    pub(super) fn check(&self) -> Result<()> {
        if let Some(discount) = self.discount {
            ensure!(
                (0.0..1.0).contains(&discount),
                "--discount is {discount}; it must be in [0, 1)"
            );
        }
        if let Some(order) = self.order {
            ensure!((1..=100).contains(&order), "--order is {order}; it must be 1 to 100");
        }
        Ok(())
    }

    /// Whether any of it was asked for.
    pub(super) fn are_given(&self) -> bool {
        self.order.is_some() || self.discount.is_some() || self.with.is_some()
    }
}

pub(super) fn run(
    args: &Args,
    task: &Task,
    (experiment, run): (&Experiment, Option<&Run<Experiment>>),
    splits: &Splits,
    vocabulary: i64,
) -> Result<Exit> {
    let metric = (task.metric)(&experiment.data).context("such a task has a metric")?;
    let began = Instant::now();
    let split = args.split(splits);
    let Texts { order, discount, .. } = args.texts;
    let (name, nats, count) = match Picture::of(task) {
        Some(picture) => {
            if args.texts.are_given() {
                return Err(usage("--with, --order and --discount are for texts"));
            }
            let Some((nats, count)) = of_pictures(args, picture, &splits.train, split)? else {
                note("interrupted");
                return Ok(Exit::Stopped);
            };
            ("mixed contexts".to_owned(), nats, count)
        }
        None => {
            let is_words = metric == Metric::PERPLEXITY;
            let order = order.unwrap_or(if is_words { 3 } else { 6 });
            let (train, text) = (text(&splits.train)?, text(split)?);
            let ngrams = KneserNey::fit(&train, order, vocabulary as usize, discount);
            let own = ngrams.nll(&text);
            let name = format!("Kneser-Ney of order {order}");
            match run {
                None => (name, own.iter().sum::<f64>(), own.len()),
                Some(run) => {
                    let mut model = Supervised::new(experiment, &splits.shape, Device::Cpu)?;
                    run.load_weights(model.params())?;
                    let tune = ngrams.nll(&self::text(&splits.val)?);
                    let share = best_share(&tune, &of_model(&mut model, &splits.val)?);
                    let nats = mixed(&own, &of_model(&mut model, split)?, share);
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
        _ => bail!("example {index} is not of tokens"),
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
