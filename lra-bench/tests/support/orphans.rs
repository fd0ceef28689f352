//! Processes that are left behind by one that is killed.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Kills `command` once it has started a process: that one must end, too.
pub fn assert_none_is_left(command: &mut Command) {
    let mut parent = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let children = format!("/proc/{0}/task/{0}/children", parent.id());
    let child = || {
        let ids = fs::read_to_string(&children).unwrap();
        ids.split_whitespace().next().map(str::to_owned)
    };
    wait_until(|| child().is_some());
    let command_line = format!("/proc/{}/cmdline", child().unwrap());
    parent.kill().unwrap();
    parent.wait().unwrap();
    // Nobody may be there to remove what has ended; it has no command line any more.
    wait_until(|| fs::read(&command_line).unwrap_or_default().is_empty());
}

fn wait_until(happened: impl Fn() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < Duration::from_secs(10), "it never happens");
        thread::sleep(Duration::from_millis(10));
    }
}
