//! What the figures were measured on.

use program::output::note;
use time::OffsetDateTime;

/// Date, CPU, cores and load, as (name, value).
pub fn describe() -> Vec<(String, String)> {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find(|line| line.starts_with("model name"));
    let cpu =
        model.and_then(|line| line.split_once(':')).map_or("unknown", |(_, name)| name.trim());
    let load = load_average().map_or("unknown".to_owned(), |load| format!("{load:.1}"));
    [
        ("date", OffsetDateTime::now_utc().date().to_string()),
        ("CPU", cpu.to_owned()),
        ("cores", cores().to_string()),
        ("load average before", load),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// How many threads run side by side.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Says on standard error if other programs are running.
pub fn warn_of_load() {
    if load_average().is_some_and(|load| load > 0.5) {
        note("warning: other programs are running; their share makes times too long");
    }
}

/// How many processes wanted to run in the last minute.
fn load_average() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}
