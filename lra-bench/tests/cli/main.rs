//! The program as a user runs it: exit codes, messages, files left behind.

mod baselines;
mod benchmark;
#[path = "../support/binary.rs"]
mod binary;
mod commands;
mod fetch;
mod first_runs;
mod media;
mod omissions;
#[path = "../support/privileges.rs"]
mod privileges;
mod report;
#[path = "../../../datasets/tests/tasks/text_files.rs"]
mod text_files;
mod text_tasks;
mod training_options;
