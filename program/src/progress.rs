//! What a person watching sees: a bar on a terminal, a line now and then elsewhere. All of it goes
//! to standard error.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Without a bar, figures come at most this often.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// The display of one run.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    last_plain: Option<Instant>,
}

impl Progress {
    /// A display for steps `position` to `total`; a bar if `wanted` and standard error is a
    /// terminal.
    pub fn new(wanted: bool, position: u64, total: u64) -> Self {
        let bar = (wanted && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{bar:24} {pos}/{len}  {msg}  {eta} left");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_position(position);
            // The rate counts from here, not from step 0 of a resumed run.
            bar.reset_eta();
            bar
        });
        Self { bar, last_plain: None }
    }

    /// Moves the bar.
    pub fn step(&self, step: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(step);
        }
    }

    /// Shows figures that will be out of date soon: on the bar, or on a line unless there was one a
    /// short while ago. `plain` is for the line, where there is no bar to tell the step.
    pub fn figures(&mut self, on_bar: &str, plain: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(on_bar.to_owned());
        } else if self.last_plain.is_none_or(|last| last.elapsed() >= PLAIN_EVERY) {
            eprintln!("{plain}");
            self.last_plain = Some(Instant::now());
        }
    }

    /// Writes a line that stays.
    pub fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
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
