//! The optimiser, what guards its steps, and its learning rates.

mod groups;
mod guard;
mod optimizer;
mod parity;
mod precision;
mod schedule;
