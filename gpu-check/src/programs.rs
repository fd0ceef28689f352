//! The package around this program: `bin`, `tests`, `fixtures`, `corpus`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{io, thread};

use anyhow::{Context, Result, bail, ensure};
use measure::end_with_parent;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The package's folder.
///
/// # Errors
/// If this program does not lie in one.
pub fn package() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let folder = program.parent().filter(|folder| folder.ends_with("bin"));
    let package = folder.and_then(Path::parent).context(
        "gpu-check finds the other programs only in a package: run it by `make gpu-check`, or by \
         ./s4 gpu-check in what `make package` makes",
    )?;
    Ok(package.to_owned())
}

/// A process whose output goes to a file.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    begin: Instant,
}

impl Process {
    /// Starts `command`; what it writes is added to `log`.
    ///
    /// # Errors
    /// If it or the log cannot be opened.
    pub fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let name = Path::new(command.get_program()).file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child =
            end_with_parent(command).spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name, child, log: log.to_owned(), begin: Instant::now() })
    }

    /// Its exit status, once it has ended.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// For how long it has run.
    pub fn age(&self) -> Duration {
        self.begin.elapsed()
    }

    /// Waits until `is_reached`.
    ///
    /// # Errors
    /// If the process ends before, or `limit` is over.
    pub fn wait_until(&mut self, limit: Duration, is_reached: impl Fn() -> bool) -> Result<()> {
        let end = Instant::now() + limit;
        while !is_reached() {
            if let Some(status) = self.ended()? {
                bail!("{} ended early ({status}): {}", self.name, self.last_line());
            }
            ensure!(Instant::now() < end, "{} took too long: {}", self.name, self.last_line());
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// If `limit` is over.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if Instant::now() > end {
                self.kill()?;
                bail!("{} took longer than {} s", self.name, limit.as_secs());
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// As [`Process::wait`], for one that is to succeed.
    ///
    /// # Errors
    /// If it does not.
    pub fn succeed(&mut self, limit: Duration) -> Result<()> {
        let status = self.wait(limit)?;
        ensure!(status.success(), "{} failed ({status}): {}", self.name, self.last_line());
        Ok(())
    }

    /// Ends it at once.
    ///
    /// # Errors
    /// If it cannot be ended.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end.
    pub fn interrupt(&self) {
        // One that has ended hears nothing.
        let _ = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM);
    }

    /// All that it has written so far.
    pub fn output(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn last_line(&self) -> String {
        let output = self.output();
        let line = output.lines().rfind(|line| !line.trim().is_empty());
        line.unwrap_or("it wrote nothing").to_owned()
    }
}

/// Nothing that was started is left behind.
impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(None) = self.ended() {
            let _ = self.kill();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, log: &str) -> Process {
        let log = std::env::temp_dir().join(format!("gpu-check-{}-{log}", std::process::id()));
        let _ = std::fs::remove_file(&log);
        Process::start(Command::new("sh").args(["-c", script]), &log).unwrap()
    }

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn a_process_is_waited_for_and_heard() {
        let mut good = shell("echo one; echo two >&2", "good");
        good.succeed(LONG).unwrap();
        assert_eq!(good.output(), "one\ntwo\n");
        let error = shell("echo why; exit 3", "bad").succeed(LONG).unwrap_err().to_string();
        assert!(error.contains("failed") && error.ends_with(": why"), "{error}");
        let error = shell("exit 0", "early").wait_until(LONG, || false).unwrap_err().to_string();
        assert!(error.contains("ended early"), "{error}");
    }

    #[test]
    fn what_hangs_is_ended() {
        let mut process = shell("exec sleep 600", "long");
        let error = process.wait(Duration::ZERO).unwrap_err().to_string();
        assert!(error.contains("took longer than 0 s"), "{error}");
        let mut process = shell("exec sleep 600", "asked");
        process.interrupt();
        assert!(!process.wait(LONG).unwrap().success());
    }
}
