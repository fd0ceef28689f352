//! libtorch's generator, seeded so that a resumed run repeats what an uninterrupted one does.
//!
//! Its state cannot be read through tch. Instead it is seeded anew at every step from (run seed,
//! purpose, counter): dropout at step 1,000 is the same whether the process has run for 1,000 steps
//! or was just resumed.

use program::seed::derive;

/// Seeds libtorch's generators on all devices for a model's initial values, before it is built.
pub fn seed_model(seed: u64) {
    seed_torch(seed, "initialise", 0);
}

/// Seeds libtorch's generators on all devices for `purpose` at `counter`.
pub fn seed_torch(seed: u64, purpose: &str, counter: u64) {
    tch::manual_seed(derive(seed, purpose, counter) as i64);
}
