//! What a run reports: lines for people, events for TensorBoard.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
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
use crate::tensorboard::EventWriter;
use program::config;
use program::exit::describe;
use program::panics;
use program::progress::Progress;

pub(super) struct Report {
    progress: Progress,
    events: EventWriter,
    metrics: MetricsFile,
    folder: PathBuf,
    /// What the bar says of training, to be said again after an evaluation.
    training: String,
    /// How long the last evaluation took.
    evaluation_seconds: f64,
    last_warning: String,
    device: Device,
    last_step: u64,
}

/// Training since the last report.
pub(super) struct Lap {
    pub(super) step: u64,
    pub(super) epoch: u64,
    pub(super) means: Means,
    pub(super) lr: f64,
    pub(super) grad_norm: f64,
    pub(super) throughput: Throughput,
    /// Evaluations until the end, the last one included.
    pub(super) evaluations_left: u64,
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
        Ok(Self {
            progress: Progress::new(show_progress, position, last_step),
            events: EventWriter::create(folder, first_step)?,
            metrics: MetricsFile::open(folder, position, state.evaluated_at == Some(position))?,
            folder: folder.to_owned(),
            training: String::new(),
            evaluation_seconds: 0.0,
            last_warning: String::new(),
            device,
            last_step,
        })
    }

    pub(super) fn line(&self, text: &str) {
        self.progress.line(text);
    }

    pub(super) fn step(&self, step: u64) {
        self.progress.step(step);
    }

    pub(super) fn finish(&self) {
        self.progress.finish();
    }

    /// The configuration as text and as a row of hyperparameters; with `changes`, that of a run that
    /// goes on after `step`.
    pub(super) fn configuration(
        &mut self,
        step: u64,
        toml: &str,
        changes: &[String],
        parameters: usize,
    ) {
        self.write(|events| {
            let changed: String = changes.iter().map(|change| format!("- `{change}`\n")).collect();
            events.text(step, "config", &format!("{changed}\n```toml\n{toml}\n```"))?;
            events.scalar(step, "parameters", parameters as f64)?;
            let settings = config::settings(toml);
            events.hparams(settings.iter().map(|(key, value)| (key.as_str(), value)))
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
        let mut all = vec![("epoch", lap.epoch as f64), ("loss", lap.means.loss)];
        all.extend(lap.means.metrics.iter().map(|(name, value)| (&**name, *value)));
        all.extend([("lr", lap.lr), ("grad_norm", lap.grad_norm)]);
        all.extend([("steps_per_s", steps_per_s), ("samples_per_s", samples_per_s)]);
        all.extend(peak.map(|mib| ("peak_mib", mib)));
        self.keep(lap.step, "train", &all);
        self.write(|events| {
            let step = lap.step;
            events.scalar(step, "train/loss", lap.means.loss)?;
            for (name, value) in &lap.means.metrics {
                events.scalar(step, &format!("train/{name}"), *value)?;
            }
            events.scalar(step, "lr", lap.lr)?;
            events.scalar(step, "grad/norm", lap.grad_norm)?;
            events.scalar(step, "epoch", lap.epoch as f64)?;
            events.scalar(step, "throughput/steps_per_s", steps_per_s)?;
            events.scalar(step, "throughput/samples_per_s", samples_per_s)?;
            if let Some(mib) = peak {
                events.scalar(step, "memory/peak_mib", mib)?;
            }
            Ok(())
        });
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
        let mut all = vec![("loss", eval.loss)];
        all.extend(eval.metrics.iter().map(|(name, value)| (&**name, *value)));
        all.extend([("samples", eval.samples as f64), ("seconds", eval.seconds)]);
        self.keep(step, split, &all);
        self.write(|events| {
            events.scalar(step, &format!("{split}/loss"), eval.loss)?;
            for (name, value) in &eval.metrics {
                events.scalar(step, &format!("{split}/{name}"), *value)?;
            }
            Ok(())
        });
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
        match MetricsFile::open(&self.folder, first_step - 1, true) {
            Ok(metrics) => self.metrics = metrics,
            Err(error) => self.warn(&format!("warning: {}", describe(&error))),
        }
    }

    fn keep(&mut self, step: u64, split: &str, figures: &[(&str, f64)]) {
        if let Err(error) = self.metrics.add(step, split, figures) {
            self.warn(&format!("warning: not kept: {}", describe(&error)));
        }
    }

    pub(super) fn completed(&mut self) {
        self.write(EventWriter::completed);
    }

    /// A run is worth more than its curves: failing to write them is a warning.
    fn write(&mut self, add: impl FnOnce(&mut EventWriter) -> Result<()>) {
        let added = add(&mut self.events);
        if let Err(error) = self.events.flush().and(added) {
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

    fn sound(&mut self, tag: &str, sound: &Sound) -> Result<()> {
        self.events.sound(self.step, tag, sound)
    }
}

fn figures(loss: f64, metrics: &[(String, f64)]) -> String {
    let metrics = metrics.iter().map(|(name, value)| format!("  {name} {value:.4}"));
    format!("loss {loss:.4}{}", metrics.collect::<String>())
}
