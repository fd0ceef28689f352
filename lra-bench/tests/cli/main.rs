//! The program as a user runs it: exit codes, messages, files left behind.

mod baselines;
mod benchmark;
#[path = "../support/binary.rs"]
mod binary;
mod commands;
#[path = "../support/events.rs"]
mod events;
mod fetch;
mod first_runs;
mod forecasts;
mod import;
mod language;
mod media;
mod omissions;
#[cfg(target_os = "linux")]
#[path = "../support/orphans.rs"]
mod orphans;
mod pretraining;
#[path = "../support/privileges.rs"]
mod privileges;
mod records;
mod report;
mod streaming;
mod targets;
mod tensorboard;
#[path = "../../../datasets/tests/tasks/text_files.rs"]
mod text_files;
mod text_tasks;
mod training_options;
