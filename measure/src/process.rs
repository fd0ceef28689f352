//! Another process, with a limit to its time.

use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result};
use process_control::{ChildExt, Control};

/// Runs `command` to its end, and returns its status and what it wrote to standard output and error
/// where these are piped.
///
/// # Errors
/// If it cannot be started, or takes longer than `limit`: then it is stopped.
pub fn run_child(command: &mut Command, limit: Duration) -> Result<Output> {
    let child = command.spawn().context("cannot start a process")?;
    let output = child.controlled_with_output().time_limit(limit).terminate_for_timeout().wait()?;
    let output = output.with_context(|| format!("stopped after {:.0} s", limit.as_secs_f64()))?;
    Ok(output.into_std_lossy())
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    #[test]
    fn more_than_a_pipe_holds_is_read() {
        let mut command = Command::new("sh");
        command.args(["-c", "head -c 300000 /dev/zero; echo why >&2; exit 3"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = run_child(&mut command, Duration::from_secs(60)).unwrap();
        assert_eq!(output.status.code(), Some(3));
        assert_eq!(output.stdout.len(), 300_000);
        assert_eq!(output.stderr, b"why\n");
    }

    #[test]
    fn what_takes_too_long_is_stopped() {
        let mut command = Command::new("sleep");
        let error = run_child(command.arg("600"), Duration::ZERO).unwrap_err();
        assert_eq!(error.to_string(), "stopped after 0 s");
    }
}
