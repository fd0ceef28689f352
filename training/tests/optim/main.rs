//! The optimiser, what guards its steps, and its learning rates.

mod adamw;
mod groups;
mod guard;
mod parity;
mod precision;
mod schedule;
