//! Signals, and terminals that are closed.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::ptr::null_mut;
use std::thread;
use std::time::{Duration, Instant};

use crate::binary::{lra_bench, succeed, train_small};
use crate::training::{ENDLESS, saved_step, send, start, train};

fn rest(mut stderr: impl Read) -> String {
    let mut text = String::new();
    stderr.read_to_string(&mut text).unwrap();
    text
}

/// As by `timeout`, which signals the process and its group, or a shell that ends.
#[test]
fn signals_within_a_second_are_one_request() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for (run, signals) in
        [("terms", ["TERM", "TERM"]), ("ints", ["INT", "INT"]), ("hups", ["HUP", "HUP"])]
    {
        let (mut child, stderr) = start(&mut train(path, run, ENDLESS));
        send(&child, &signals);
        assert_eq!(child.wait().unwrap().code(), Some(130));
        let text = rest(stderr);
        let step = saved_step(&path.join(run)).unwrap();
        let words = format!("interrupted after step {step}; everything is saved. Continue with");
        assert!(text.contains(&format!("{words} --resume {run}")), "{text}");
    }
    let next = (saved_step(&path.join("hups")).unwrap() + 1).to_string();
    let resume = ["train", "--resume", "hups", "--device", "cpu", "--max-steps", &next];
    succeed(lra_bench(path).args(resume));
}

/// Waits for a later checkpoint: the run goes on.
fn wait_for_progress(run: &Path) {
    let before = saved_step(run).unwrap_or(0);
    let start = Instant::now();
    while saved_step(run).unwrap_or(0) <= before {
        assert!(start.elapsed() < Duration::from_secs(60), "it stands still");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_was_ignored_at_the_start_stays_ignored_and_limits_do_not_kill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let training = train(path, "run", ENDLESS);
    let mut command = Command::new("sh");
    // As `nohup` does.
    command.current_dir(path).args(["-c", "trap '' HUP; exec \"$@\"", "sh"]);
    command.arg(training.get_program()).args(training.get_args());
    let (mut child, stderr) = start(&mut command);
    for signal in ["HUP", "PIPE", "XFSZ"] {
        send(&child, &[signal]);
        wait_for_progress(&path.join("run"));
        assert!(child.try_wait().unwrap().is_none(), "{signal} ended it");
    }
    send(&child, &["TERM"]);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(rest(stderr).contains("everything is saved"));
}

/// Ctrl-\ ends at once, as everywhere; the run goes on from its last checkpoint.
#[test]
fn a_quit_is_as_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let training = train(path, "run", ENDLESS);
    let mut command = Command::new("sh");
    // What would be in a core file is of no use.
    command.current_dir(path).args(["-c", "ulimit -c 0; exec \"$@\"", "sh"]);
    command.arg(training.get_program()).args(training.get_args());
    let (mut child, _stderr) = start(&mut command);
    wait_for_progress(&path.join("run"));
    send(&child, &["QUIT"]);
    assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGQUIT));
    let next = (saved_step(&path.join("run")).unwrap() + 1).to_string();
    let resume = ["train", "--resume", "run", "--device", "cpu", "--max-steps", &next];
    succeed(lra_bench(path).args(resume));
}

#[test]
fn a_closed_terminal_saves_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let (ours, terminal) = terminal();
    let mut command = train(path, "run", ENDLESS);
    command.stdin(terminal.try_clone().unwrap());
    command.stdout(terminal.try_clone().unwrap()).stderr(terminal);
    // SAFETY: plain system calls between fork and exec.
    unsafe {
        command.pre_exec(|| {
            libc::setsid();
            libc::ioctl(0, libc::TIOCSCTTY, 0);
            Ok(())
        });
    }
    let mut child = command.spawn().unwrap();
    drop(command); // with its copies of the terminal
    let mut screen = BufReader::new(File::from(ours));
    let mut shown = Vec::new();
    while !String::from_utf8_lossy(&shown).contains("steps/s") {
        let mut some = [0; 1024];
        let count = screen.read(&mut some).unwrap();
        shown.extend_from_slice(&some[..count]);
    }
    drop(screen);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(saved_step(&path.join("run")).unwrap() > 0);
}

/// A terminal, as its two ends.
fn terminal() -> (OwnedFd, OwnedFd) {
    let (mut ours, mut theirs) = (0, 0);
    // SAFETY: both are filled in, and nothing else is asked for.
    unsafe {
        assert_eq!(libc::openpty(&mut ours, &mut theirs, null_mut(), null_mut(), null_mut()), 0);
        libc::fcntl(ours, libc::F_SETFD, libc::FD_CLOEXEC);
        (OwnedFd::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs))
    }
}

#[test]
fn a_request_while_data_are_opened_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    // Generates expressions for a while.
    let mut command = train_small(path, "listops", &["data.count=10000000"]);
    let mut child = command.args(["--run-dir", "run"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut stderr, &mut line).unwrap();
    assert!(line.starts_with("set: data.count"), "{line}");
    send(&child, &["TERM"]);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(rest(stderr).contains("the same command starts again"));
    assert!(!fs::exists(path.join("run")).unwrap());
}
