//! The machine that a program runs on, for records of what was measured or trained.

use std::fs;
use std::thread;

/// Its name in the network.
pub fn host() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}

/// The processor's model, or `unknown`.
pub fn cpu() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find(|line| line.starts_with("model name"));
    let name = model.and_then(|line| line.split_once(':')).map(|(_, name)| name.trim());
    name.unwrap_or("unknown").to_owned()
}

/// How many threads run side by side.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}
