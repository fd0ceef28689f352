//! The test programs that ask `parity` for their device, on this one.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{fs, thread};

use anyhow::{Context, Result, ensure};
use tch::Device;

use super::Setting;
use crate::programs::{Process, package};
use crate::row::Row;

/// Longest that one of them may take.
const LIMIT: Duration = Duration::from_secs(180);
const THREADS: &str = "4";

pub(super) fn run(setting: &Setting, found: &mut dyn FnMut(Row)) -> Result<()> {
    let package = package()?;
    let mut waiting = VecDeque::from(programs(&package.join("tests"))?);
    let logs = setting.out.join("parity");
    fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
    let side_by_side = (thread::available_parallelism().map_or(1, usize::from) / 2).clamp(1, 8);
    let mut running: Vec<(String, Process)> = Vec::new();
    while !(waiting.is_empty() && running.is_empty()) {
        while running.len() < side_by_side {
            let Some(program) = waiting.pop_front() else { break };
            let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let log = logs.join(format!("{name}.txt"));
            let _ = fs::remove_file(&log);
            let mut command = Command::new(&program);
            command.args(["--test-threads", THREADS]).env("OMP_NUM_THREADS", "1");
            command
                .env("S4_TEST_DEVICE", if setting.device == Device::Cpu { "cpu" } else { "cuda" });
            if std::env::var_os("S4_FIXTURES").is_none() {
                command.env("S4_FIXTURES", package.join("fixtures"));
            }
            running.push((name, Process::start(&mut command, &log)?));
        }
        let mut i = 0;
        while i < running.len() {
            let (name, process) = &mut running[i];
            let status = process.ended()?;
            if status.is_none() && process.age() < LIMIT {
                i += 1;
                continue;
            }
            let row = judge(name, &process.output()).with("seconds", process.age().as_secs_f64());
            found(match status {
                None => row.failing(format!("stopped after {} s", LIMIT.as_secs())),
                Some(status) if !status.success() && row.failure.is_none() => {
                    row.failing(format!("ended early ({status})"))
                }
                Some(_) => row,
            });
            running.swap_remove(i);
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// The programs in `folder`, by name.
fn programs(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("no tests in {}", folder.display()))?;
    let mut programs: Vec<_> = entries.map_while(Result::ok).map(|entry| entry.path()).collect();
    ensure!(!programs.is_empty(), "no tests in {}", folder.display());
    programs.sort();
    Ok(programs)
}

/// What a test program said of its tests.
fn judge(name: &str, output: &str) -> Row {
    let results = || {
        // The result may come after what the test itself writes.
        output.lines().filter_map(|line| line.strip_prefix("test ")?.split_once(" ... "))
    };
    let passed = results().filter(|(_, result)| result.ends_with("ok")).count();
    let failed: Vec<_> =
        results().filter(|(_, result)| result.ends_with("FAILED")).map(|(test, _)| test).collect();
    let row = Row::new(name).with("passed", passed as f64).with("failed", failed.len() as f64);
    if failed.is_empty() { row } else { row.failing(failed.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_counted() {
        let output = "running 3 tests\ntest a ... ok\ntest b::c ... FAILED\ntest d ... ok\n\n\
                      failures:\n\ntest result: FAILED. 2 passed; 1 failed\n";
        let row = judge("hippo", output);
        assert_eq!(row.figures, [("passed".to_owned(), 2.0), ("failed".to_owned(), 1.0)]);
        assert_eq!(row.failure.as_deref(), Some("b::c"));
        assert_eq!(judge("none", "").failure, None);
    }
}
