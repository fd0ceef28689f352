//! A suite, run on a model.

mod attacked;
mod together;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Error, Result, ensure};
use audio_data::read::{is_audio_name, resampled};
use program::exit::{describe, interrupted};
use program::progress::Progress;
use program::{files, interrupt, panics};
use rayon::prelude::*;
use transformations::content::{Content, Sound};
use transformations::{Severity, Unchanged, seed};

use crate::checklist::Test;
use crate::draw;
use crate::evaluation_set::{Description, EvaluationSet, Member};
use crate::flip;
use crate::metadata::Metadata;
use crate::predictions::{Predictions, key};
use crate::results::{Failure, Figure, Results, Row, Sample};
use crate::slice::{Idiom, Slice};
use crate::subject::{Item, Subject, Verdict};
use crate::subpopulation::{self, Known, Named, Value};
use crate::suite::{Subpopulation, Suite, Transformation};

/// Other examples that a transformation may mix in.
const OTHERS: usize = 16;
/// Share of the time that attacks may take.
const ATTACKS: f64 = 0.5;
/// Sizes that are drawn of data that is larger.
const SIZES: [usize; 9] = [50, 100, 200, 300, 500, 1000, 2000, 5000, 10_000];

/// What runs a suite.
pub struct Runner<'a> {
    subject: &'a dyn Subject,
    suite: Suite,
    predictions: Predictions,
    progress: Progress,
    figure: Figure,
    /// Examples that were drawn, as they are.
    items: Vec<Item>,
    clean: Vec<Verdict>,
    clusters: Option<Vec<String>>,
    metadata: Option<Metadata>,
    /// Recordings that `background-noise` mixes in.
    noise: Vec<Content>,
    done: u64,
    total: u64,
}

impl<'a> Runner<'a> {
    /// A run of `suite`. Where it says not how many examples are drawn and it may take `seconds`, these
    /// decide, by what a first batch takes.
    ///
    /// # Errors
    /// If the data cannot be read.
    pub fn new(
        subject: &'a dyn Subject,
        mut suite: Suite,
        seconds: Option<f64>,
        predictions: Predictions,
        bar: bool,
    ) -> Result<(Self, String)> {
        let count = subject.len();
        ensure!(count > 0, "the test part of the data has no examples");
        let mut passes = 1;
        for change in &suite.transformation {
            passes += change.severities()?.len();
        }
        let why = match (suite.examples, seconds) {
            (None, Some(seconds)) => {
                let each = seconds_of_one(subject)?;
                let attacks = match subject.attackable() {
                    Ok(_) => suite.fit_attacks(seconds * ATTACKS, each),
                    Err(_) => 0.0,
                };
                let most = ((seconds - attacks) / each / passes as f64).max(0.0) as usize;
                let size = SIZES.iter().rev().find(|&&size| size <= most).copied();
                suite.examples = Some(size.unwrap_or(SIZES[0])).filter(|&size| size < count);
                format!(", as many as about {:.0} minutes allow", (seconds / 60.0).max(1.0))
            }
            _ => String::new(),
        };
        let metadata = suite.metadata.as_deref().map(Metadata::read).transpose()?;
        let size = suite.examples.unwrap_or(count).min(count);
        let drawn = if size == count {
            format!("all {count} test examples")
        } else {
            format!(
                "{size} of {count} test examples, classes by their shares, seed {}{why}",
                suite.seed
            )
        };
        let chosen = if size == count {
            (0..count).collect()
        } else {
            draw::stratified(&strata(subject)?, size, suite.seed)
        };
        let mut items = Vec::new();
        for index in chosen {
            interrupt::check()?;
            items.push(subject.item(index)?);
        }
        let noise = match (&suite.background_noise, items.first()) {
            (Some(folder), Some(Item { content: Content::Sound(like), .. })) => {
                recordings(folder, like.rate)?
            }
            _ => Vec::new(),
        };
        let total = (items.len() * passes) as u64;
        let progress = Progress::new(bar, 0, total);
        let figure = subject.metric().into();
        let mut runner = Self {
            subject,
            suite,
            predictions,
            progress,
            figure,
            items,
            clean: Vec::new(),
            clusters: None,
            metadata,
            noise,
            done: 0,
            total,
        };
        runner.total += runner.passes_of_attacks();
        Ok((runner, drawn))
    }

    /// Runs it.
    ///
    /// # Errors
    /// If the user interrupts (predictions are kept), or the clean examples cannot be judged.
    pub fn run(mut self, drawn: String) -> Result<Results> {
        let begin = Instant::now();
        let mut rows = vec![self.clean_row(&drawn)?];
        rows.extend(self.parts(&drawn)?);
        for change in self.suite.transformation.clone() {
            for severity in change.severities()? {
                rows.push(self.transformed(&change, severity, &drawn)?);
            }
        }
        let (attacks, warnings) = self.attacks(&drawn)?;
        rows.extend(attacks);
        for folder in self.suite.evaluation_sets.clone() {
            let set = EvaluationSet::open(&folder, self.subject.about(), &self.items[0])?;
            self.total += set.members.len() as u64;
            rows.push(self.set(&set)?);
        }
        let mut probes = Vec::new();
        if let Some(wanted) = &self.suite.probes {
            let codes = self.subject.as_codes();
            let codes = codes.context("probes are for models of codes: runs of sashimi")?;
            self.progress.message("probes");
            probes = wanted.make(codes, &self.items, self.suite.seed)?;
        }
        self.progress.finish();
        let about = self.subject.about().clone();
        let seconds = begin.elapsed().as_secs_f64();
        let results = Results::new(about, self.figure, self.suite, drawn, seconds, rows);
        Ok(Results { probes, warnings, ..results })
    }

    fn clean_row(&mut self, drawn: &str) -> Result<Row> {
        let (lineage, seed) = (vec![drawn.to_owned()], self.suite.seed);
        let mut slice = Slice::new(Idiom::Clean, "all".to_owned(), lineage, seed);
        slice.members = self.items.iter().map(|item| item.index).collect();
        let judged = self.judge("clean", &self.items.clone(), 1.0)?;
        self.clean = judged.into_iter().collect::<Result<_>>().context("the clean examples")?;
        if let Some(score) = self.suite.clusters.clone() {
            let labels = self.values(&score)?.0;
            let labels = labels.iter().enumerate().map(|(number, value)| match value {
                Some(Value::Name(name)) => name.clone(),
                Some(Value::Number(value)) => value.to_string(),
                None => format!("alone {number}"),
            });
            self.clusters = Some(labels.collect());
        }
        let values: Vec<f64> = self.clean.iter().map(|verdict| verdict.value).collect();
        let sample = Sample { values: &values, clusters: self.clusters.as_deref() };
        Ok(Row::new(slice, sample.estimate(&self.figure), self.clean.clone()))
    }

    /// The value of every item by a score, and those that cannot be told.
    fn values(&self, score: &str) -> Result<(Vec<Option<Value>>, Vec<Failure>)> {
        if let Some(column) = score.strip_prefix(subpopulation::COLUMN) {
            let metadata = self.metadata.as_ref().with_context(|| {
                format!("`{score}` is a column of metadata, but the suite names no `metadata` file")
            })?;
            let of =
                |item: &Item| metadata.value(column, item.index, self.subject.file(item.index));
            return Ok((self.items.iter().map(of).collect::<Result<_>>()?, Vec::new()));
        }
        let score = subpopulation::find(score, self.subject.about().kind)?;
        let mut failed = Vec::new();
        let each = self.items.iter().zip(&self.clean).map(|(item, verdict)| {
            let known = Known { subject: self.subject, verdict };
            score.of(item, &known).unwrap_or_else(|error| {
                failed.push(Failure { example: item.index, reason: describe(&error) });
                None
            })
        });
        Ok((each.collect(), failed))
    }

    fn parts(&self, drawn: &str) -> Result<Vec<Row>> {
        let examples: Vec<usize> = self.items.iter().map(|item| item.index).collect();
        let mut parts: Vec<Named> = Vec::new();
        let mut rows = Vec::new();
        for part in &self.suite.subpopulation {
            let (made, failed) = match &part.score {
                Some(score) => {
                    let (values, failed) = self.values(score)?;
                    (subpopulation::divide(part, &examples, &values)?, failed)
                }
                None => (vec![subpopulation::combine(part, &examples, &parts)?], Vec::new()),
            };
            for named in made {
                rows.push(self.part(&named, part, failed.clone(), drawn));
                parts.push(named);
            }
        }
        Ok(rows)
    }

    fn part(&self, part: &Named, spec: &Subpopulation, failed: Vec<Failure>, drawn: &str) -> Row {
        let is_member = |item: &Item| part.members.binary_search(&item.index).is_ok();
        let (mut inside, mut outside) = (Chosen::default(), Chosen::default());
        for (number, (item, verdict)) in self.items.iter().zip(&self.clean).enumerate() {
            let chosen = if is_member(item) { &mut inside } else { &mut outside };
            chosen.verdicts.push(*verdict);
            chosen.values.push(verdict.value);
            chosen.clusters.extend(self.clusters.as_ref().map(|labels| labels[number].clone()));
        }
        let made_of =
            [("all of", &spec.all_of), ("any of", &spec.any_of), ("none of", &spec.none_of)];
        let made_of = made_of.iter().filter(|(_, names)| !names.is_empty());
        let steps = made_of.map(|(how, names)| format!("{how} {}", names.join(", ")));
        let lineage = [drawn.to_owned()].into_iter().chain(steps).chain([part.name.clone()]);
        let (name, seed) = (part.name.clone(), self.suite.seed);
        let mut slice = Slice::new(Idiom::Subpopulation, name, lineage.collect(), seed);
        slice.members.clone_from(&part.members);
        let sample = inside.sample(self.clusters.is_some());
        let score = sample.estimate(&self.figure);
        let change = sample.change_against(&outside.sample(self.clusters.is_some()), &self.figure);
        Row { change, failed, ..Row::new(slice, score, inside.verdicts.clone()) }
    }

    /// All examples, changed, in their order.
    fn change(
        &self,
        transformation: &dyn transformations::Transformation,
        severity: Severity,
    ) -> Vec<Result<Item>> {
        let (seed, name) = (self.suite.seed, transformation.name());
        let few: Vec<Content> =
            self.items.iter().take(OTHERS + 1).map(|item| item.content.clone()).collect();
        let (mixes_noise, noise) = (transformation.mixes_noise(), &self.noise[..]);
        let each = self.items.par_iter().enumerate().map(|(number, item)| {
            let mut random = seed::random(seed, name, severity, item.index);
            let mut others = Cow::Borrowed(if mixes_noise { noise } else { &few });
            if number < few.len() && !mixes_noise {
                others.to_mut().remove(number); // itself
            }
            let apply =
                || transformation.apply(&item.content, &item.label, severity, &mut random, &others);
            let changed = panics::as_errors("the transformation", apply)?;
            Ok(Item { index: item.index, content: changed.content, label: changed.label })
        });
        each.collect()
    }

    /// The drawn examples, changed, beside what they were; and how many could not be changed, and had
    /// nothing to change.
    ///
    /// # Errors
    /// If there is no such transformation.
    pub fn changed(
        &self,
        name: Option<&str>,
        severity: Severity,
    ) -> Result<(Vec<Member>, usize, usize)> {
        let Some(name) = name else {
            let as_is = |item: &Item| Member { item: item.clone(), before: None };
            return Ok((self.items.iter().map(as_is).collect(), 0, 0));
        };
        let changed = self.change(transformations::find(name)?, severity);
        let (mut members, mut failed, mut unchanged) = (Vec::new(), 0, 0);
        for (changed, item) in changed.into_iter().zip(&self.items) {
            match changed {
                Ok(changed) => members.push(Member { item: changed, before: Some(item.clone()) }),
                Err(error) if error.is::<Unchanged>() => unchanged += 1,
                Err(_) => failed += 1,
            }
        }
        Ok((members, failed, unchanged))
    }

    /// A kept set: of tests of invariance and direction, an example is right if it passes.
    fn set(&mut self, set: &EvaluationSet) -> Result<Row> {
        let Description { name, test, lineage, .. } = &set.description;
        ensure!(
            *test == Test::Mft || self.figure.share,
            "the set {name} asks {test}, which is for models that say classes"
        );
        let name = format!("{} ({test})", set.version());
        let mut slice = Slice::new(Idiom::EvaluationSet, name, lineage.clone(), self.suite.seed);
        let items: Vec<Item> = set.members.iter().map(|member| member.item.clone()).collect();
        let after = self.judge(&slice.identifier(), &items, 1.0)?;
        let before: Vec<Item> = set.members.iter().filter_map(|it| it.before.clone()).collect();
        let before = match test {
            Test::Mft => Vec::new(),
            _ => self.judge(&format!("{} before", slice.identifier()), &before, 1.0)?,
        };
        let (mut failed, mut verdicts) = (Vec::new(), Vec::new());
        let mut before = before.into_iter();
        for (number, after) in after.into_iter().enumerate() {
            let before = before.next().transpose();
            match (after, before) {
                (Ok(after), Ok(before)) => {
                    slice.members.push(number);
                    verdicts.push(test.judge(after, before));
                }
                (Err(error), _) | (_, Err(error)) => {
                    failed.push(Failure { example: number, reason: describe(&error) });
                }
            }
        }
        let values: Vec<f64> = verdicts.iter().map(|verdict| verdict.value).collect();
        let score = Sample { values: &values, clusters: None }.estimate(&self.figure);
        Ok(Row { failed, ..Row::new(slice, score, verdicts) })
    }

    fn transformed(
        &mut self,
        change: &Transformation,
        severity: Severity,
        drawn: &str,
    ) -> Result<Row> {
        let transformation = transformations::find(&change.name)?;
        let changed = self.change(transformation, severity);
        let name = if change.rate { format!("{}, told", change.name) } else { change.name.clone() };
        let lineage = vec![drawn.to_owned(), format!("{} {severity}", change.name)];
        let first = self.items.first();
        let mut slice = Slice {
            severity: Some(severity),
            strength: first.map(|item| transformation.strength_for(severity, &item.content)),
            effect: Some(transformation.effect()),
            ..Slice::new(Idiom::Transformation, name, lineage, self.suite.seed)
        };
        let (mut failed, mut unchanged, mut ready) = (Vec::new(), Vec::new(), Vec::new());
        let mut told = 1.0;
        for (number, (changed, item)) in changed.into_iter().zip(&self.items).enumerate() {
            match changed {
                Ok(changed) => {
                    if change.rate {
                        told = step(&item.content, &changed.content);
                    }
                    ready.push((number, changed));
                }
                Err(error) if error.is::<Unchanged>() => unchanged.push(item.index),
                Err(error) => {
                    failed.push(Failure { example: item.index, reason: describe(&error) });
                }
            }
        }
        self.done += (self.items.len() - ready.len()) as u64;
        let (numbers, items): (Vec<usize>, Vec<Item>) = ready.into_iter().unzip();
        let judged = self.judge(&slice.identifier(), &items, told)?;
        let (mut after, mut before, mut pairs) = (Chosen::default(), Vec::new(), Vec::new());
        for ((number, item), verdict) in numbers.into_iter().zip(&items).zip(judged) {
            match verdict {
                Ok(verdict) => {
                    pairs.push(([&self.items[number], item], [self.clean[number], verdict]));
                    slice.members.push(item.index);
                    after.verdicts.push(verdict);
                    after.values.push(verdict.value);
                    after.clusters.extend(self.clusters.as_ref().map(|them| them[number].clone()));
                    before.push(self.clean[number].value);
                }
                Err(error) => {
                    failed.push(Failure { example: item.index, reason: describe(&error) });
                }
            }
        }
        let sample = after.sample(self.clusters.is_some());
        let score = sample.estimate(&self.figure);
        let change = sample.change_from(&before, &self.figure);
        let verdicts = after.verdicts.clone();
        let pairs = pairs
            .iter()
            .map(|(items, verdicts)| [(items[0], &verdicts[0]), (items[1], &verdicts[1])]);
        let flips = flip::first(&slice.identifier(), pairs);
        Ok(Row { change, failed, unchanged, flips, ..Row::new(slice, score, verdicts) })
    }

    /// What the model makes of the items: what is known already, and what it says now, in batches of
    /// similar length. Predictions are kept after every slice, and when the user interrupts.
    fn judge(&mut self, slice: &str, items: &[Item], rate: f64) -> Result<Vec<Result<Verdict>>> {
        let mut known = self.predictions.load(slice);
        let keys: Vec<_> = items.iter().map(|item| key(item, rate)).collect();
        let mut open: Vec<usize> =
            (0..items.len()).filter(|&number| !known.contains_key(&keys[number])).collect();
        self.done += (items.len() - open.len()) as u64;
        open.sort_by_key(|&number| size(&items[number].content));
        let mut errors: HashMap<usize, Error> = HashMap::new();
        let mut stopped = false;
        for batch in open.chunks(self.subject.batch_size()) {
            if interrupt::requested() {
                stopped = true;
                break;
            }
            let chosen: Vec<Item> = batch.iter().map(|&number| items[number].clone()).collect();
            let judged = panics::as_errors("the model", || self.subject.judge(&chosen, rate));
            match judged {
                Ok(verdicts) => {
                    known.extend(batch.iter().map(|&number| keys[number].clone()).zip(verdicts));
                }
                // One item that is no input must not take its batch with it.
                Err(_) => {
                    for (&number, item) in batch.iter().zip(&chosen) {
                        let item = std::slice::from_ref(item);
                        match panics::as_errors("the model", || self.subject.judge(item, rate)) {
                            Ok(verdicts) => {
                                known.insert(keys[number].clone(), verdicts[0]);
                            }
                            Err(error) => drop(errors.insert(number, error)),
                        }
                    }
                }
            }
            self.done += batch.len() as u64;
            self.progress.message(slice);
            self.progress.step(self.done);
            self.progress.count(self.done, self.total, "predictions");
        }
        if !open.is_empty() {
            self.predictions.save(slice, &known)?;
        }
        if stopped {
            return Err(interrupted());
        }
        let each = keys.iter().enumerate().map(|(number, key)| match known.get(key) {
            Some(verdict) => Ok(*verdict),
            None => Err(errors.remove(&number).unwrap_or_else(interrupted)),
        });
        Ok(each.collect())
    }
}

/// Examples of a slice that were judged.
#[derive(Default)]
struct Chosen {
    verdicts: Vec<Verdict>,
    values: Vec<f64>,
    clusters: Vec<String>,
}

impl Chosen {
    fn sample(&self, clustered: bool) -> Sample<'_> {
        Sample { values: &self.values, clusters: clustered.then_some(&self.clusters) }
    }
}

/// The step of a changed input relative to that before: 2 for half the sampling rate.
fn step(before: &Content, after: &Content) -> f64 {
    match (before, after) {
        (Content::Sound(before), Content::Sound(after)) => {
            f64::from(before.rate) / f64::from(after.rate)
        }
        _ => 1.0,
    }
}

/// The recordings in a folder, in the order of their names, at this rate.
fn recordings(folder: &Path, rate: u32) -> Result<Vec<Content>> {
    let entries = fs::read_dir(folder).map_err(files::cannot("read", folder))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| is_audio_name(path));
    paths.sort();
    ensure!(
        !paths.is_empty(),
        "{} has no recordings of noise; name another folder, or leave `background-noise` out",
        folder.display()
    );
    let read = |path: &PathBuf| -> Result<Content> {
        let mut samples = Vec::new();
        resampled(path, rate, |block| samples.extend_from_slice(block))
            .with_context(|| path.display().to_string())?;
        Ok(Sound { rate, samples }.into())
    };
    paths.par_iter().map(read).collect()
}

/// Positions, about: items of similar size are judged together.
fn size(content: &Content) -> usize {
    match content {
        Content::Picture(picture) => picture.values.len(),
        Content::Sound(sound) => sound.samples.len(),
        Content::Text(text) => text.len(),
        Content::Expression(expression) => expression.tokens().len(),
        Content::Series(series) => series.values.len(),
    }
}

/// What examples are drawn by: their classes.
fn strata(subject: &dyn Subject) -> Result<Vec<usize>> {
    (0..subject.len()).map(|index| subject.stratum(index)).collect()
}

/// Seconds that the model takes for an example, of a batch of the first ones.
fn seconds_of_one(subject: &dyn Subject) -> Result<f64> {
    let count = subject.batch_size().min(subject.len()).min(32);
    let items: Vec<Item> = (0..count).map(|index| subject.item(index)).collect::<Result<_>>()?;
    subject.judge(&items[..1], 1.0)?; // what is made once
    let begin = Instant::now();
    subject.judge(&items, 1.0)?;
    Ok(begin.elapsed().as_secs_f64().max(1e-6) / count as f64)
}
