//! Processes that train one model together, on libtorch's own c10d, the library below
//! `torch.distributed`.
//!
//! * [`world`]: who takes part, and what all do together: sums, broadcasts, gathering.
//! * [`place`]: which of the processes this is, by the variables of torchrun, of SLURM or of the
//!   launcher here.
//! * [`launcher`]: several processes on this machine.
//! * `turns`: several ranks in one process, for results that do not depend on the number of processes
//!   to the last bit.
//! * [`buckets`]: gradients that are summed while the backward pass goes on.
//! * [`group`] and [`store`]: c10d's process groups and key-value store, each operation with a timeout.
//!
//! Messages between processes are neither encrypted nor authenticated: they belong on a network of
//! one's own. By default they stay on the loopback interface.

pub mod buckets;
pub mod group;
pub mod launcher;
pub mod lost;
pub mod place;
pub mod store;
mod turns;
pub mod world;

pub use lost::Lost;
pub use place::Place;
pub use world::World;
