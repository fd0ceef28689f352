//! The program as a user runs it: exit codes, messages, files left behind.

#[path = "../support/binary.rs"]
mod binary;
mod commands;
mod diffusion;
#[path = "../../../lra-bench/tests/support/events.rs"]
mod events;
mod first_runs;
mod import;
mod metrics;
#[path = "../../../lra-bench/tests/support/privileges.rs"]
mod privileges;
mod recordings;
mod tensorboard;
