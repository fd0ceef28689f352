//! Kernels of our own: against their twins in tensor operations, on a CPU, and compiled for GPUs.

mod block;
mod compiled;
mod ssm;
#[path = "../support/systems.rs"]
mod systems;
mod tail;
