//! Which of its processes a benchmark is.

use anyhow::Result;

use crate::child::{CHILD, Task};
use crate::options::Options;
use crate::session::Session;
use program::output::note;

/// What this process is to do.
#[derive(Debug)]
pub enum Role {
    /// Run the entries.
    Bench(Box<Session>),
    /// Measure one of them.
    Child(Task),
    /// Nothing: the program was started by `cargo test --all-targets`, which wants no benchmark.
    Bystander,
}

/// Reads the command line of the benchmark `name`, whose own options are `extra`:
/// `[--quick] [--force] [--json FILE] [--out DIR] [FILTER]`.
///
/// # Errors
/// If an option is unknown.
pub fn role(name: &str, extra: &[&str]) -> Result<Role> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|argument| argument == CHILD) {
        return Ok(Role::Child(Task::parse(&arguments[1..])?));
    }
    // Cargo passes it to benchmarks alone.
    if !arguments.iter().any(|argument| argument == "--bench") {
        note(format_args!("This is a benchmark: cargo bench --bench {name} --profile dev"));
        return Ok(Role::Bystander);
    }
    Ok(Role::Bench(Box::new(Session::new(name, Options::parse(&arguments, extra)?))))
}
