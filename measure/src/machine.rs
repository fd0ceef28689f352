//! What the figures were measured on.

use program::machine::{cores, cpu};
use program::output::note;
use time::OffsetDateTime;

/// Date, CPU, cores and load, as (name, value).
pub fn describe() -> Vec<(String, String)> {
    let load = load_average().map_or("unknown".to_owned(), |load| format!("{load:.1}"));
    [
        ("date", OffsetDateTime::now_utc().date().to_string()),
        ("CPU", cpu()),
        ("cores", cores().to_string()),
        ("load average before", load),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
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
