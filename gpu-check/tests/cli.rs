//! The program on a CPU, at small sizes.

use std::process::{Command, Output};

use serde_json::Value;

fn gpu_check(arguments: &[&str], out: &std::path::Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gpu-check"))
        .args(["--device", "cpu", "--quick", "--out"])
        .arg(out)
        .args(arguments)
        .env("OMP_NUM_THREADS", "1")
        .output()
        .expect("the program starts")
}

#[test]
fn parts_are_reported_one_by_one() {
    let out = tempfile::tempdir().unwrap();
    let output = gpu_check(&["--only", "launches,modes,graph"], out.path());
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
    let output = gpu_check(&["--only", "parity,launches"], out.path());
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
fn unknown_parts_are_refused() {
    let out = tempfile::tempdir().unwrap();
    let output = gpu_check(&["--only", "blocks"], out.path());
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("there is no part `blocks`; parts: modes,"), "{stderr}");
}
