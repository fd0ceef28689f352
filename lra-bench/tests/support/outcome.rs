//! What a program says, and how it ends.

use std::process::{Command, Output};

/// What is written to standard error, as text beside the rest; never a panic.
#[track_caller]
pub fn run(command: &mut Command) -> (Output, String) {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!stderr.contains("panicked"), "{stderr}");
    (output, stderr)
}

/// What a command that must succeed writes to standard output and to standard error.
#[track_caller]
pub fn succeed(command: &mut Command) -> (String, String) {
    let (output, stderr) = run(command);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    (String::from_utf8(output.stdout).unwrap(), stderr)
}

/// The program fails with this exit code and one message that has these words; no trace.
#[track_caller]
pub fn fail(command: &mut Command, code: i32, words: &[&str]) {
    let (output, stderr) = run(command);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert_eq!(stderr.matches("error: ").count(), 1, "{stderr}");
    let message = stderr.split("error: ").last().unwrap();
    for word in words {
        assert!(message.contains(word), "`{word}` is not in: {message}");
    }
    for trace in ["stack backtrace", "frame #0", "RUST_BACKTRACE"] {
        assert!(!stderr.contains(trace), "{stderr}");
    }
}
