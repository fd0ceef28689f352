//! The program on a CPU, at small sizes.

#[cfg(target_os = "linux")]
#[path = "../../lra-bench/tests/support/orphans.rs"]
mod orphans;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn gpu_check(arguments: &[&str], out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gpu-check"));
    command.args(["--device", "cpu", "--quick", "--out"]).arg(out).args(arguments);
    command.env("OMP_NUM_THREADS", "1");
    command
}

fn run(arguments: &[&str], out: &Path) -> Output {
    gpu_check(arguments, out).output().expect("the program starts")
}

#[test]
fn parts_are_reported_one_by_one() {
    let out = tempfile::tempdir().unwrap();
    let output = run(&["--only", "launches,modes,graph"], out.path());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("| S4, one direction, step by step, float32 |"), "{text}");
    assert_eq!(std::fs::read_to_string(out.path().join("gpu-check.md")).unwrap(), text);

    let json = std::fs::read(out.path().join("gpu-check.json")).unwrap();
    let report: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(report["failures"], 0);
    assert!(report["header"]["libtorch"].as_str().unwrap().starts_with("2."));
    let parts: Vec<_> = report["parts"].as_array().unwrap().iter().map(|p| &p["part"]).collect();
    // In the order of the table, not of the command line.
    assert_eq!(parts, ["modes", "launches", "graph"]);
}

#[test]
fn a_part_fails_by_itself() {
    let out = tempfile::tempdir().unwrap();
    // Outside a package there are no other programs.
    let output = run(&["--only", "parity,launches"], out.path());
    assert_eq!(output.status.code(), Some(1));
    let json = std::fs::read(out.path().join("gpu-check.json")).unwrap();
    let report: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(report["failures"], 1);
    let failure = |part: usize| &report["parts"][part]["rows"][0]["failure"];
    assert!(failure(0).is_null(), "launches: {report}");
    let message = failure(1).as_str().unwrap();
    assert!(message.contains("finds the other programs only in a package"), "{message}");
}

#[test]
fn a_request_to_end_ends_the_parts_too() {
    let out = tempfile::tempdir().unwrap();
    let mut command = gpu_check(&["--only", "modes,launches"], out.path());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with("modes: "));
    let asked = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(asked.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    // Standard error is a part's as well: it ends once all processes have.
    assert!(lines.any(|line| line.unwrap() == "modes: interrupted"));
    let json = std::fs::read(out.path().join("gpu-check.json")).unwrap();
    let report: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(report["parts"].as_array().unwrap().len(), 1, "what was found so far is kept");
}

#[cfg(target_os = "linux")]
#[test]
fn a_killed_check_leaves_no_process_behind() {
    let out = tempfile::tempdir().unwrap();
    orphans::assert_none_is_left(&mut gpu_check(&["--only", "modes"], out.path()));
}

#[test]
fn output_that_cannot_be_written_is_kept_in_files() {
    let out = tempfile::tempdir().unwrap();
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let mut command = gpu_check(&["--only", "graph"], out.path());
    assert_eq!(command.stdout(full()).stderr(full()).status().unwrap().code(), Some(1));
    assert!(out.path().join("gpu-check.json").is_file());
}

#[test]
fn unknown_parts_are_refused() {
    let out = tempfile::tempdir().unwrap();
    let output = run(&["--only", "blocks"], out.path());
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("there is no part `blocks`; parts: modes,"), "{stderr}");
}
