//! The program as a user runs it: exit codes, messages, files left behind.

mod commands;
mod first_runs;
#[path = "../../../lra-bench/tests/support/privileges.rs"]
mod privileges;
mod recordings;
