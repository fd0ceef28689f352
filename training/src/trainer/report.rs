//! What a run reports: lines for people, events for TensorBoard.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use cuda::monitor::Monitor;
use indicatif::HumanDuration;
use tch::{Device, Tensor};

use super::clock::Throughput;
use crate::checkpoint::TrainState;
use crate::evaluate::Evaluation;
use crate::memory;
use crate::meters::Means;
use crate::metrics_file::MetricsFile;
use crate::objective::Objective;
use crate::show::{Show, Sound};
use crate::tensorboard::{Column, EventWriter, Heading};
use program::config;
use program::exit::describe;
use program::panics;
use program::progress::Progress;

pub(super) struct Report {
    progress: Progress,
    /// None: another process has the files.
    files: Option<Files>,
    folder: PathBuf,
    /// What the bar says of training, to be said again after an evaluation.
    training: String,
    /// How long the last evaluation took.
    evaluation_seconds: f64,
    last_warning: String,
    device: Device,
    monitor: Option<Monitor>,
    has_charts: bool,
    last_step: u64,
}

/// Where figures are kept.
struct Files {
    events: EventWriter,
    metrics: MetricsFile,
}

/// The settings by which runs are compared in TensorBoard's table. The others are in the text `config`.
const COLUMNS: [&str; 19] = [
    "task",
    "model.backbone",
    "model.d_model",
    "model.n_layers",
    "model.norm",
    "model.dropout",
    "model.layer.bidirectional",
    "model.layer.ssm.mode",
    "model.layer.ssm.init",
    "model.layer.ssm.d_state",
    "train.batch_size",
    "train.accumulate",
    "train.epochs",
    "train.steps",
    "train.optimizer.lr",
    "train.optimizer.weight_decay",
    "train.schedule.name",
    "train.precision",
    "train.seed",
];

/// Those of them that are shown before one asks for others.
const FIRST: [&str; 5] =
    ["task", "model.backbone", "model.d_model", "model.n_layers", "train.optimizer.lr"];

/// The figures by which runs are compared there, of any program: TensorBoard has one list for all runs.
const RESULTS: [&str; 6] = [
    "val/accuracy",
    "test/accuracy",
    "val/bits_per_sample",
    "test/bits_per_sample",
    "val/loss",
    "test/loss",
];

/// Training since the last report.
pub(super) struct Lap {
    pub(super) step: u64,
    pub(super) epoch: u64,
    pub(super) means: Means,
    /// Learning rate of the parameters without one of their own.
    pub(super) lr: f64,
    /// Learning rates of the other groups ([`Optimizer::own_rates`](crate::optim::Optimizer::own_rates)).
    pub(super) own_rates: Vec<(String, f64)>,
    pub(super) norms: Norms,
    pub(super) throughput: Throughput,
    /// Evaluations until the end, the last one included.
    pub(super) evaluations_left: u64,
}

/// L2 norms over all trained parameters, in the last step.
pub(super) struct Norms {
    /// Of the gradients, before they were clipped.
    pub(super) grad: f64,
    /// Of the parameters after the step.
    pub(super) weight: f64,
    /// Of what the step added to them.
    pub(super) update: f64,
}

/// Headings under which TensorBoard has figures that `metrics.jsonl` has without.
const HEADINGS: [&str; 5] = ["train/", "val/", "test/", "throughput/", "memory/"];

/// What the figure of this tag is called in `metrics.jsonl`.
fn key(tag: &str) -> String {
    let rest = HEADINGS.iter().find_map(|heading| tag.strip_prefix(heading));
    rest.unwrap_or(tag).replace('/', "_")
}

impl Report {
    pub(super) fn new(
        folder: &Path,
        device: Device,
        state: &TrainState,
        last_step: u64,
        show_progress: bool,
    ) -> Result<Self> {
        let position = state.step;
        // Steps up to `position` were written before; a new run begins with step 0.
        let first_step = if position == 0 { 0 } else { position + 1 };
        let files = Files {
            events: EventWriter::create(folder, first_step)?,
            metrics: MetricsFile::open(folder, position, state.evaluated_at == Some(position))?,
        };
        Ok(Self {
            progress: Progress::new(show_progress, position, last_step),
            files: Some(files),
            monitor: if let Device::Cuda(index) = device { Monitor::new(index) } else { None },
            ..Self::silent(folder, device, last_step)
        })
    }

    /// Of a process that leaves it to another one to report.
    pub(super) fn silent(folder: &Path, device: Device, last_step: u64) -> Self {
        Self {
            progress: Progress::new(false, 0, last_step),
            files: None,
            folder: folder.to_owned(),
            training: String::new(),
            evaluation_seconds: 0.0,
            last_warning: String::new(),
            device,
            monitor: None,
            has_charts: false,
            last_step,
        }
    }

    pub(super) fn line(&self, text: &str) {
        if self.files.is_some() {
            self.progress.line(text);
        }
    }

    pub(super) fn step(&self, step: u64) {
        self.progress.step(step);
    }

    pub(super) fn finish(&self) {
        self.progress.finish();
    }

    /// The configuration as text and as a row of hyperparameters; with `changes`, that of a run that
    /// goes on after `step`. `best` is the tag that chooses the best checkpoint.
    pub(super) fn configuration(
        &mut self,
        step: u64,
        toml: &str,
        changes: &[String],
        parameters: usize,
        best: &str,
    ) {
        self.write(|events| {
            let changed: String = changes.iter().map(|change| format!("- `{change}`\n")).collect();
            events.text(step, "config", &format!("{changed}\n```toml\n{toml}\n```"))?;
            events.scalar(step, "parameters", parameters as f64)?;
            let settings = config::settings(toml);
            let column = |name| {
                let value =
                    settings.iter().find(|(key, _)| key.as_str() == name).map(|(_, value)| value);
                Column { name, value, first: FIRST.contains(&name) }
            };
            let other = (!RESULTS.contains(&best)).then_some(best);
            events.columns(COLUMNS.map(column), RESULTS.into_iter().chain(other))?;
            let shown = settings.iter().filter(|(key, _)| COLUMNS.contains(&key.as_str()));
            events.hparams(shown.map(|(key, value)| (key.as_str(), value)))
        });
    }

    pub(super) fn training(&mut self, lap: &Lap) {
        let Throughput { steps_per_s, samples_per_s } = lap.throughput;
        let peak = memory::peak_mib(self.device);
        let seconds = self.last_step.saturating_sub(lap.step) as f64 / steps_per_s.max(1e-9)
            + lap.evaluations_left as f64 * self.evaluation_seconds;
        let left = HumanDuration(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
        let results = figures(lap.means.loss, &lap.means.metrics);
        let plain = format!(
            "step {}/{} (epoch {})  {results}  lr {:.2e}  {steps_per_s:.1} steps/s  \
             {samples_per_s:.0} samples/s{}  {left} left",
            lap.step,
            self.last_step,
            lap.epoch,
            lap.lr,
            peak.map_or_else(String::new, |mib| format!("  {mib:.0} MiB")),
        );
        self.training = format!("{results}  {steps_per_s:.1} steps/s  {left:#} left");
        self.progress.report(&self.training, &plain);
        let mut figures = vec![("epoch".to_owned(), lap.epoch as f64)];
        let mut add = |tag: &str, value: f64| figures.push((tag.to_owned(), value));
        add("train/loss", lap.means.loss);
        lap.means.metrics.iter().for_each(|(name, value)| add(&format!("train/{name}"), *value));
        add("lr", lap.lr);
        lap.own_rates.iter().for_each(|(group, lr)| add(&format!("lr/{group}"), *lr));
        add("grad/norm", lap.norms.grad);
        add("weight/norm", lap.norms.weight);
        add("update/norm", lap.norms.update);
        add("throughput/steps_per_s", steps_per_s);
        add("throughput/samples_per_s", samples_per_s);
        if let Some(mib) = peak {
            add("memory/peak_mib", mib);
        }
        if let Some(mib) = memory::host_peak_mib() {
            add("memory/host_peak_mib", mib);
        }
        if let Some(usage) = self.monitor.as_ref().and_then(Monitor::usage) {
            add("memory/gpu_mib", usage.memory as f64 / memory::MIB);
            if let Some(percent) = usage.busy_percent {
                add("gpu/busy_percent", percent.into());
            }
        }
        if !std::mem::replace(&mut self.has_charts, true) {
            self.write(|events| events.charts(lap.step, &charts(&lap.means)));
        }
        self.keep(lap.step, "train", &figures, &[]);
    }

    pub(super) fn evaluating(&mut self, split: &str, done: u64, of: u64) {
        let text = format!("{split}: batch {done}/{of}");
        self.progress.figures(&text, &text);
        if done == of {
            self.progress.message(&self.training);
        }
    }

    pub(super) fn evaluation(&mut self, split: &str, step: u64, eval: &Evaluation, note: &str) {
        self.evaluation_seconds = eval.seconds;
        self.line(&format!(
            "step {step}  {split}: {}  ({} samples, {:.1} s){note}",
            figures(eval.loss, &eval.metrics),
            eval.samples,
            eval.seconds
        ));
        let mut figures = vec![(format!("{split}/loss"), eval.loss)];
        let metrics = eval.metrics.iter();
        figures.extend(metrics.map(|(name, value)| (format!("{split}/{name}"), *value)));
        let about = [("samples", eval.samples as f64), ("seconds", eval.seconds)];
        self.keep(step, split, &figures, &about);
    }

    /// What the model shows of itself.
    pub(super) fn inspection<O: Objective>(
        &mut self,
        step: u64,
        objective: &mut O,
        outputs: Option<&Tensor>,
    ) {
        let _guard = tch::no_grad_guard();
        self.write(|events| {
            let mut show = AtStep { events, step };
            panics::as_errors("showing the model", || objective.show(&mut show, outputs))
        });
    }

    /// The run went back: events from `first_step` on are void.
    pub(super) fn rolled_back(&mut self, first_step: u64) {
        self.write(|events| events.restart(first_step));
        let Some(files) = &mut self.files else { return };
        match MetricsFile::open(&self.folder, first_step - 1, true) {
            Ok(metrics) => files.metrics = metrics,
            Err(error) => self.warn(&format!("warning: {}", describe(&error))),
        }
    }

    /// Keeps figures by their tags: for TensorBoard and, with those `about` them, in `metrics.jsonl`.
    fn keep(&mut self, step: u64, split: &str, figures: &[(String, f64)], about: &[(&str, f64)]) {
        let keys: Vec<_> = figures.iter().map(|(tag, value)| (key(tag), *value)).collect();
        let lines: Vec<_> = keys.iter().map(|(key, value)| (&**key, *value)).collect();
        let Some(files) = &mut self.files else { return };
        if let Err(error) = files.metrics.add(step, split, &[&lines, about].concat()) {
            self.warn(&format!("warning: not kept: {}", describe(&error)));
        }
        self.write(|events| {
            figures.iter().try_for_each(|(tag, value)| events.scalar(step, tag, *value))
        });
    }

    pub(super) fn completed(&mut self) {
        self.write(EventWriter::completed);
    }

    /// A run is worth more than its curves: failing to write them is a warning.
    fn write(&mut self, add: impl FnOnce(&mut EventWriter) -> Result<()>) {
        let Some(Files { events, .. }) = &mut self.files else { return };
        let added = add(events);
        if let Err(error) = events.flush().and(added) {
            self.warn(&format!("warning: not shown in TensorBoard: {}", describe(&error)));
        }
    }

    /// A warning, once however often it is given.
    fn warn(&mut self, warning: &str) {
        if warning != self.last_warning {
            self.line(warning);
            warning.clone_into(&mut self.last_warning);
        }
    }
}

/// Events of one step.
struct AtStep<'a> {
    events: &'a mut EventWriter,
    step: u64,
}

impl Show for AtStep<'_> {
    fn histogram(&mut self, tag: &str, values: &Tensor) -> Result<()> {
        self.events.histogram(self.step, tag, values)
    }

    fn picture(&mut self, tag: &str, pixels: &Tensor) -> Result<()> {
        self.events.picture(self.step, tag, pixels)
    }

    fn text(&mut self, tag: &str, text: &str) -> Result<()> {
        self.events.text(self.step, tag, text)
    }

    fn sound(&mut self, tag: &str, sound: &Sound) -> Result<()> {
        self.events.sound(self.step, tag, sound)
    }
}

/// Which curves share a chart: training, validation and test of one figure above all.
fn charts(means: &Means) -> [Heading<'static>; 3] {
    let names = means.metrics.iter().map(|(name, _)| &**name);
    let of_splits = ["loss"].into_iter().chain(names).map(|name| {
        let tags = name.replace(|c: char| !c.is_alphanumeric() && c != '_', ".");
        (name.to_owned(), format!("^(train|val|test)/{tags}$"))
    });
    let chart = |title: &str, tags: &str| (title.to_owned(), tags.to_owned());
    [
        ("training and validation", of_splits.collect()),
        (
            "optimiser",
            vec![
                chart("learning rates", "^lr(/.*)?$"),
                chart("gradient norm", "^grad/norm$"),
                chart("weight norm", "^weight/norm$"),
                chart("update norm", "^update/norm$"),
            ],
        ),
        (
            "machine",
            vec![chart("memory in MiB", "^memory/"), chart("steps/s", "^throughput/steps")],
        ),
    ]
}

pub(crate) fn figures(loss: f64, metrics: &[(String, f64)]) -> String {
    let metrics = metrics.iter().map(|(name, value)| format!("  {name} {value:.4}"));
    format!("loss {loss:.4}{}", metrics.collect::<String>())
}
