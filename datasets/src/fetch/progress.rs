//! What a fetch shows of itself.

use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanDuration};
use program::output::note;
use program::progress::Progress;

use super::download::Position;

/// The bar counts in these: numbers that can be read.
const MIB: u64 = 1 << 20;

/// The display of one file on its way.
#[derive(Debug)]
pub(super) struct Display {
    file: &'static str,
    wanted: bool,
    phase: Option<Phase>,
}

/// One bar: the transfer, the check, the unpacking.
#[derive(Debug)]
struct Phase {
    name: &'static str,
    progress: Progress,
    start: Instant,
    from: u64,
}

impl Display {
    pub(super) fn new(file: &'static str, wanted: bool) -> Self {
        Self { file, wanted, phase: None }
    }

    pub(super) fn bytes(&mut self, at: Position) {
        self.show("fetching", at.done, at.total);
    }

    pub(super) fn checking(&mut self, done: u64, size: u64) {
        self.show("checking", done, Some(size));
    }

    pub(super) fn unpacking(&mut self, read: (u64, u64)) {
        self.show("unpacking", read.0, Some(read.1));
    }

    pub(super) fn line(&mut self, text: &str) {
        self.phase = None;
        note(text);
    }

    fn show(&mut self, name: &'static str, done: u64, total: Option<u64>) {
        if self.phase.as_ref().is_none_or(|phase| phase.name != name) {
            self.phase = None; // its bar goes before the next one comes
            let progress = Progress::new(self.wanted, done / MIB, total.unwrap_or(0).div_ceil(MIB));
            self.phase = Some(Phase { name, progress, start: Instant::now(), from: done });
        }
        let Some(phase) = &mut self.phase else { return };
        let seconds = phase.start.elapsed().as_secs_f64().max(1e-3);
        let rate = done.saturating_sub(phase.from) as f64 / seconds;
        let speed = HumanBytes(rate as u64);
        let mut plain = format!("{name} {}: {}", self.file, HumanBytes(done));
        if let Some(total) = total {
            let left = total.saturating_sub(done) as f64 / rate.max(1.0);
            let left = Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX);
            plain += &format!(" of {}, {speed}/s, {} left", HumanBytes(total), HumanDuration(left));
        } else {
            plain += &format!(", {speed}/s");
        }
        phase.progress.step(done / MIB);
        phase.progress.figures(&format!("MiB  {name} {}  {speed}/s", self.file), &plain);
    }
}
