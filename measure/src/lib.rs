//! The harness of the benchmarks. No libtorch here: what is timed brings its own.
//!
//! A benchmark is a list of [`Entry`]s. Each one runs in a process of its own, so that one's memory
//! is not another's, and is compared with three things of the same run: its naive baseline, itself
//! at a quarter of its size, and a measured peak of the machine. An entry that would take too long,
//! or more memory than there is, is skipped and says so. Programs that measure in their own way use
//! the pieces: [`run_child`], [`PeakMemory`], [`memory_shortage`].
//!
//! ```no_run
//! use measure::{Bound, Entry, Role, Table, Work};
//!
//! fn main() -> anyhow::Result<()> {
//!     match measure::role("sums", &[])? {
//!         Role::Bystander => Ok(()),
//!         Role::Child(task) => {
//!             let numbers = vec![1.0; task.name().rsplit('/').next().unwrap().parse()?];
//!             let measured = task.time(|| {
//!                 std::hint::black_box(numbers.iter().sum::<f64>());
//!                 Ok(())
//!             })?;
//!             task.answer(&measured)
//!         }
//!         Role::Bench(mut session) => {
//!             session.measure_bandwidth();
//!             let bytes = |n: f64| Work { bound: Bound::Memory, amount: 8.0 * n };
//!             let entries = [
//!                 Entry::new("sum", ["1000000"]).work(bytes(1e6)),
//!                 Entry::new("sum", ["4000000"]).work(bytes(4e6)).after("sum/1000000"),
//!             ];
//!             session.table(&Table::new("Sums", &["numbers"]), &entries)?;
//!             session.finish()
//!         }
//!     }
//! }
//! ```

mod bandwidth;
mod child;
mod entry;
mod format;
mod machine;
mod memory;
mod options;
mod outcome;
mod process;
mod report;
mod role;
mod session;
mod statistics;
mod table;

pub use bandwidth::sweep;
pub use child::{Measured, Task};
pub use entry::{Bound, Entry, Work};
pub use format::{bytes, duration, significant, thousands};
pub use machine::{describe as describe_machine, warn_of_load};
pub use memory::{PeakMemory, available_memory, memory_shortage};
pub use process::{end_with_parent, run_child};
pub use role::{Role, role};
pub use session::Session;
pub use statistics::median;
pub use table::{Figure, Table};
