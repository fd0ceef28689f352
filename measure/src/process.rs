//! Another process, with a limit to its time.

use std::io::Read;
use std::process::{Command, Output};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use program::interrupt;

/// Lets the process that `command` starts end with the thread that starts it. A process that is
/// killed cannot see to its children itself; only Linux does it for it.
pub fn end_with_parent(command: &mut Command) -> &mut Command {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::process::CommandExt;

        use nix::errno::Errno;
        use nix::sys::prctl::set_pdeathsig;
        use nix::sys::signal::Signal;
        use nix::unistd::{getpid, getppid};

        let parent = getpid();
        let tie = move || {
            set_pdeathsig(Signal::SIGKILL)?;
            // It may have ended already.
            if getppid() == parent { Ok(()) } else { Err(Errno::ESRCH.into()) }
        };
        // SAFETY: nothing but system calls between fork and exec.
        unsafe { command.pre_exec(tie) };
    }
    command
}

/// Runs `command` to its end, and returns its status and what it wrote to standard output and error
/// where these are piped. It does not outlive this process ([`end_with_parent`]).
///
/// # Errors
/// If it cannot be started, or takes longer than `limit`, or the user interrupts: then it is stopped.
pub fn run_child(command: &mut Command, limit: Duration) -> Result<Output> {
    let mut child = end_with_parent(command).spawn().context("cannot start a process")?;
    // Read all along, so that a full pipe does not stop the child.
    let (stdout, stderr) = (collect(child.stdout.take()), collect(child.stderr.take()));
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        let is_late = start.elapsed() > limit;
        if is_late || interrupt::requested() {
            child.kill()?;
            child.wait()?;
            interrupt::check()?;
            bail!("stopped after {:.0} s", limit.as_secs_f64());
        }
        thread::sleep(Duration::from_millis(5));
    };
    let bytes = |reader: JoinHandle<Vec<u8>>| reader.join().unwrap_or_default();
    Ok(Output { status, stdout: bytes(stdout), stderr: bytes(stderr) })
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What could not be read is missing in the answer, no more.
            let _ = pipe.read_to_end(&mut bytes);
        }
        bytes
    })
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
