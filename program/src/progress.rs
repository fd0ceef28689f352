//! What a person watching sees: a bar on a terminal, a line now and then elsewhere. All of it goes
//! to standard error.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::output::{is_quiet, log, note};
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Without a bar, figures come at most this often.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// The display of one piece of work, which several threads may move on.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    start: Instant,
    last_plain: Mutex<Option<Instant>>,
}

impl Progress {
    /// A display for steps `position` to `total`; a bar if `wanted` and standard error is a
    /// terminal that can show one.
    pub fn new(wanted: bool, position: u64, total: u64) -> Self {
        // Without `TERM`, or with "dumb", there is no moving back on a line.
        let terminal = ProgressDrawTarget::stderr();
        let bar = (wanted && !is_quiet() && !terminal.is_hidden()).then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), terminal);
            let style = ProgressStyle::with_template("{bar:12} {pos}/{len}  {wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_position(position);
            // The rate counts from here, not from step 0 of a resumed run.
            bar.reset_eta();
            bar
        });
        Self { bar, start: Instant::now(), last_plain: Mutex::new(None) }
    }

    /// Moves the bar.
    pub fn step(&self, step: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(step);
        }
    }

    /// Says that `done` of `total` are done, "files" for example: on the bar, or on a line now and
    /// then. Work that is soon over is not mentioned.
    pub fn count(&self, done: u64, total: u64, what: &str) {
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
            let left = bar.eta().as_secs();
            bar.set_message(format!("{what}  {} left", HumanDuration(Duration::from_secs(left))));
        } else if self.is_due(Some(self.start)) {
            note(format_args!("{done} of {total} {what}"));
        }
    }

    /// Shows figures that are worth keeping: on the bar, and in the log by the line `plain`, which is
    /// shown where there is no bar.
    pub fn report(&self, on_bar: &str, plain: &str) {
        match &self.bar {
            Some(bar) => {
                bar.set_message(on_bar.to_owned());
                log(plain);
            }
            None => note(plain),
        }
    }

    /// Shows figures that will be out of date soon: on the bar, or on a line unless there was one a
    /// short while ago. `plain` is for the line, where no bar shows the step.
    pub fn figures(&self, on_bar: &str, plain: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(on_bar.to_owned()),
            None if self.is_due(None) => note(plain),
            None => {}
        }
    }

    /// Shows a text on the bar, if there is one.
    pub fn message(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.to_owned());
        }
    }

    /// Whether it is time for a line, the last one or `since` being a while ago; then it is written
    /// now.
    fn is_due(&self, since: Option<Instant>) -> bool {
        // If locked, skip: another thread is already printing.
        let Ok(mut last) = self.last_plain.try_lock() else { return false };
        let due = last.or(since).is_none_or(|last| last.elapsed() >= PLAIN_EVERY);
        if due {
            *last = Some(Instant::now());
        }
        due
    }

    /// Writes a line that stays.
    pub fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| note(text)),
            None => note(text),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}
