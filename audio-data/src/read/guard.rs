//! Panics of decoders as errors.
//!
//! symphonia is safe Rust, but its arithmetic overflows on some crafted files, which panics wherever
//! overflow is checked. One such file among thousands must not end a run.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use anyhow::{Result, bail};

thread_local! {
    /// Whether this thread turns its panics into errors at present.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// `decode()`, with a panic in it turned into an error. Nothing is printed.
pub(super) fn guarded<T>(decode: impl FnOnce() -> Result<T>) -> Result<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let default = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !CAUGHT.get() {
                default(info);
            }
        }));
    });
    let outer = CAUGHT.replace(true);
    let result = catch_unwind(AssertUnwindSafe(decode));
    CAUGHT.set(outer);
    match result {
        Ok(result) => result,
        Err(_) => bail!("it is damaged, and its decoder gave up; copy it again, or leave it out"),
    }
}
