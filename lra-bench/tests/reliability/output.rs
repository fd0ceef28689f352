//! Output that nobody reads, or that does not fit on the disk.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::binary::{lra_bench, run, succeed};
use crate::training::{start, train};

fn full() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

#[track_caller]
fn assert_finished(folder: &Path, run: &str) {
    let summary = fs::read(folder.join(run).join("summary.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&summary).unwrap()["finished"], true);
}

#[test]
fn training_goes_on_without_a_place_to_talk_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let (mut child, stderr) = start(&mut train(path, "left", 60));
    drop(stderr);
    assert!(child.wait().unwrap().success());
    assert_finished(path, "left");
    let mut command = train(path, "full", 20);
    assert!(command.stdout(full()).stderr(full()).status().unwrap().success());
    assert_finished(path, "full");
}

#[test]
fn results_that_nobody_reads_are_no_error_and_those_that_do_not_fit_are_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    succeed(&mut train(path, "run", 4));
    let commands: &[&[&str]] = &[
        &["tasks"],
        &["--help"],
        &["--version"],
        &["config", "--task", "path-x"],
        &["report", "run", "--json"],
        &["evaluate", "run", "--device", "cpu", "--json"],
        &["generate-data", "--task", "pathfinder", "--count", "4", "--out", "generated"],
    ];
    for arguments in commands {
        let command = || {
            let mut command: Command = lra_bench(path);
            command.args(*arguments);
            command
        };
        let (output, stderr) = run(command().stdout(full()).stderr(Stdio::piped()));
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
        let message = stderr.lines().last().unwrap();
        let expected = "error: cannot write to standard output: No space left on device";
        assert!(message.starts_with(expected), "{arguments:?}: {stderr}");
        assert_eq!(stderr.matches("error").count(), 2, "{arguments:?}: {stderr}");

        let mut child = command().stdout(Stdio::piped()).stderr(full()).spawn().unwrap();
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{arguments:?}");
    }
    // Errors have no other place, and an exit code all the same.
    let status = lra_bench(path).args(["evaluate", "nothing"]).stderr(full()).status().unwrap();
    assert_eq!(status.code(), Some(1));
}
