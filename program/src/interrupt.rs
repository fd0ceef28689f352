//! Requests to end: Ctrl-C, SIGTERM, a closed terminal (SIGHUP).
//!
//! The first one sets a flag, and the program ends in good order: a step is finished, a run saved.
//! One that comes more than a second later ends the program at once. Those within the second are
//! the same request: `timeout` signals a process and its group, a shell and the kernel both say
//! that a terminal was closed.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::exit;

/// Signals within this time of the first belong to it.
const SAME_REQUEST: Duration = Duration::from_secs(1);

/// When the first request came, in milliseconds after [`START`]; [`NONE`] before.
static REQUESTED: AtomicU64 = AtomicU64::new(NONE);
const NONE: u64 = u64::MAX;
static START: OnceLock<Instant> = OnceLock::new();

/// Lets SIGINT, SIGTERM and SIGHUP request the end rather than end the process. Those that were
/// ignored when it started, as SIGHUP under `nohup`, stay ignored.
pub fn install() {
    START.get_or_init(Instant::now);
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        let handler = on_signal as extern "C" fn(libc::c_int) as libc::sighandler_t;
        // SAFETY: the handler makes only calls that are allowed in one.
        unsafe {
            if libc::signal(signal, handler) == libc::SIG_IGN {
                libc::signal(signal, libc::SIG_IGN);
            }
        }
    }
}

/// Lets a write beyond the limit on the size of files (`ulimit -f`) fail rather than end the
/// process without a word.
pub(crate) fn outlive_file_limit() {
    // SAFETY: changes how this process takes a signal, no more.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}

/// Whether the program was asked to end.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed) != NONE
}

/// Ends work that has nothing to save, where the program was asked to end.
///
/// # Errors
/// [`exit::interrupted`], if it was.
pub fn check() -> Result<()> {
    if requested() { Err(exit::interrupted()) } else { Ok(()) }
}

extern "C" fn on_signal(_: libc::c_int) {
    const TEXT: &[u8] =
        b"\ninterrupted: ending in good order (once more to end at once, without saving)\n";
    let now = START.get().map_or(0, |start| start.elapsed().as_millis() as u64);
    match REQUESTED.compare_exchange(NONE, now, Ordering::Relaxed, Ordering::Relaxed) {
        // SAFETY: writes static bytes. Whether it succeeds does not matter, but the interrupted
        // code must find its error number as it left it.
        Ok(_) => unsafe {
            let before = errno::errno();
            libc::write(libc::STDERR_FILENO, TEXT.as_ptr().cast(), TEXT.len());
            errno::set_errno(before);
        },
        // Files are written aside and renamed, so ending in the middle damages nothing. Not `exit`:
        // libtorch's destructors would run under the feet of its own threads.
        // SAFETY: always safe to call; it does not return.
        Err(first) if now - first > SAME_REQUEST.as_millis() as u64 => unsafe {
            libc::_exit(i32::from(exit::INTERRUPTED));
        },
        Err(_) => {}
    }
}
