//! The process of a part, from outside and from inside.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use measure::end_with_parent;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use program::exit::describe;
use program::interrupt;
use program::output::{note, say};

use crate::options::Options;
use crate::parts::{self, Part, Setting};
use crate::row::Row;

/// How often a request to end is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What came of a part.
#[derive(Debug)]
pub struct Outcome {
    /// All that it said, up to its end.
    pub rows: Vec<Row>,
    /// How long it took.
    pub seconds: f64,
    /// Why it ended early, if it did.
    pub failure: Option<String>,
}

/// Runs `part` in a process of its own, for as long as it may take.
pub fn start(part: &Part, options: &Options) -> Outcome {
    note(format_args!("{}: {}", part.name, part.about));
    let begin = Instant::now();
    let mut rows = Vec::new();
    let failure = watch(part, options, &mut rows).err().map(|error| format!("{error:#}"));
    if let Some(failure) = &failure {
        note(format_args!("{}: {failure}", part.name));
    }
    Outcome { rows, seconds: begin.elapsed().as_secs_f64(), failure }
}

fn watch(part: &Part, options: &Options, rows: &mut Vec<Row>) -> Result<()> {
    let limit = part.limit(options);
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--child", part.name, "--device", &options.device.to_string()]);
    command.args(["--seconds", &options.seconds.to_string()]).arg("--out").arg(&options.out);
    command.args(["--rows", &options.rows]);
    if options.quick {
        command.arg("--quick");
    }
    // A group of its own, so that its own children can be ended with it.
    command.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
    let mut child = end_with_parent(&mut command).spawn().context("cannot start a process")?;
    let lines = lines_of(&mut child)?;
    let end = Instant::now() + limit;
    let give_up = |mut child: Child, why: String| -> Result<()> {
        // The process and those that it started; one that has gone already needs no end.
        let _ = killpg(Pid::from_raw(child.id() as i32), Signal::SIGKILL);
        child.wait()?;
        bail!(why)
    };
    loop {
        let left = end.saturating_duration_since(Instant::now());
        match lines.recv_timeout(left.min(LOOK_EVERY)) {
            Ok(line) => match serde_json::from_str::<Row>(&line) {
                Ok(row) => {
                    let result = row.failure.as_ref().map_or("", |_| "FAILED");
                    note(format_args!("  {} {result}", row.name));
                    rows.push(row);
                }
                Err(_) => note(format_args!("  {line}")),
            },
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) if left.is_zero() => {
                return give_up(child, format!("stopped after {} s", limit.as_secs()));
            }
            Err(RecvTimeoutError::Timeout) if interrupt::requested() => {
                return give_up(child, "interrupted".to_owned());
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
    let status = child.wait()?;
    ensure!(status.success(), "ended early ({status})");
    Ok(())
}

/// What it writes, line by line.
fn lines_of(child: &mut Child) -> Result<mpsc::Receiver<String>> {
    let output = child.stdout.take().context("the process has no output")?;
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    Ok(lines)
}

/// Runs `part` in this process; its rows go to standard output, and so does what ends it early.
pub fn run(part: &Part, options: &Options) -> Result<()> {
    let _ = parts::WANTED.set(options.rows.clone());
    let mut found = |row: Row| {
        if row.failure.is_none() && !parts::is_wanted(&row.name) {
            return;
        }
        if let Err(error) = say(serde_json::to_string(&row).expect("a row is plain data")) {
            note(format_args!("{error:#}"));
        }
    };
    let result = Setting::new(options).and_then(|setting| (part.run)(&setting, &mut found));
    if let Err(error) = result {
        found(Row::new("the rest").failing(describe(&error)));
    }
    Ok(())
}

/// For parts of a fixed length.
pub const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
