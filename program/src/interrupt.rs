//! Ctrl-C and SIGTERM: finish the step, save, end; a second time: end at once.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

use crate::exit::INTERRUPTED;

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Lets Ctrl-C, SIGTERM and SIGHUP set a flag instead of ending the process.
///
/// # Errors
/// If the handler cannot be installed, as when the program has another one.
pub fn install() -> Result<()> {
    static INSTALLED: OnceLock<Result<(), String>> = OnceLock::new();
    INSTALLED
        .get_or_init(|| ctrlc::set_handler(on_signal).map_err(|error| error.to_string()))
        .clone()
        .map_err(anyhow::Error::msg)
        .context("cannot handle Ctrl-C")
}

/// Whether the program was asked to end.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}

fn on_signal() {
    if REQUESTED.swap(true, Ordering::Relaxed) {
        // Files are written aside and renamed, so ending in the middle damages nothing.
        // Not `exit`: libtorch's destructors would run under the feet of its own threads.
        // SAFETY: always safe to call; it does not return.
        unsafe { libc::_exit(i32::from(INTERRUPTED)) };
    }
    eprintln!("\ninterrupted: saving after this step (once more to end at once, without saving)");
}
