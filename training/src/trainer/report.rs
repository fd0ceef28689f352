//! What a run reports: lines for people, events for TensorBoard.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use indicatif::HumanDuration;
use tch::{Device, Tensor};

use super::clock::Throughput;
use crate::evaluate::Evaluation;
use crate::memory;
use crate::meters::Means;
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
}

impl Report {
    pub(super) fn new(
        folder: &Path,
        device: Device,
        position: u64,
        last_step: u64,
        show_progress: bool,
    ) -> Result<Self> {
        // Steps up to `position` were written before; a new run begins with step 0.
        let first_step = if position == 0 { 0 } else { position + 1 };
        Ok(Self {
            progress: Progress::new(show_progress, position, last_step),
            events: EventWriter::create(folder, first_step)?,
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

    /// The configuration as text and as a row of hyperparameters.
    pub(super) fn configuration(&mut self, toml: &str, parameters: usize) {
        self.write(|events| {
            events.text(0, "config", &format!("```toml\n{toml}\n```"))?;
            events.scalar(0, "parameters", parameters as f64)?;
            let settings = config::settings(toml);
            events.hparams(settings.iter().map(|(key, value)| (key.as_str(), value)))
        });
    }

    pub(super) fn training(&mut self, lap: &Lap) {
        let Throughput { steps_per_s, samples_per_s } = lap.throughput;
        let peak = memory::peak_mib(self.device);
        let figures = format!(
            "{}  lr {:.2e}  {:.1} steps/s  {:.0} samples/s{}",
            figures(lap.means.loss, &lap.means.metrics),
            lap.lr,
            steps_per_s,
            samples_per_s,
            peak.map_or_else(String::new, |mib| format!("  {mib:.0} MiB")),
        );
        let left = self.last_step.saturating_sub(lap.step) as f64 / steps_per_s.max(1e-9);
        let left = Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX);
        let plain = format!(
            "step {}/{} (epoch {})  {figures}  {} left",
            lap.step,
            self.last_step,
            lap.epoch,
            HumanDuration(left)
        );
        self.progress.figures(&figures, &plain);
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
    }

    pub(super) fn evaluation(&mut self, split: &str, step: u64, eval: &Evaluation, note: &str) {
        self.line(&format!(
            "step {step}  {split}: {}  ({} samples, {:.1} s){note}",
            figures(eval.loss, &eval.metrics),
            eval.samples,
            eval.seconds
        ));
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
    }

    pub(super) fn completed(&mut self) {
        self.write(EventWriter::completed);
    }

    /// A run is worth more than its curves: failing to write them is a warning.
    fn write(&mut self, add: impl FnOnce(&mut EventWriter) -> Result<()>) {
        let added = add(&mut self.events);
        if let Err(error) = self.events.flush().and(added) {
            let warning = format!("warning: not shown in TensorBoard: {}", describe(&error));
            if warning != self.last_warning {
                self.line(&warning);
                self.last_warning = warning;
            }
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
