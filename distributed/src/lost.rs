//! The error that another process is gone or silent.

use std::fmt;
use std::time::Duration;

/// An operation of all processes did not come to its end on this one. The processes have nothing to say
/// to each other any more.
#[derive(Debug)]
pub struct Lost {
    /// This process.
    pub rank: usize,
    /// How many there are.
    pub size: usize,
    /// What was done: "all-reduce of 12 numbers".
    pub operation: String,
    /// For how long.
    pub after: Duration,
    /// What was found.
    pub cause: String,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rank, size, operation, after, cause } = self;
        write!(
            f,
            "rank {rank} of {size}: {operation} failed after {:.1} s: {cause}. Another process ended, or \
             did not answer in time (--timeout); the run can be resumed from its last checkpoint",
            after.as_secs_f64()
        )
    }
}

impl std::error::Error for Lost {}
