//! Loops on the threads that libtorch's own operations run on.
//!
//! A thread pool beside libtorch's would compete with it: OpenMP's threads spin for a while after
//! each operation, and keep the cores busy.

use std::ffi::c_void;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::dispatched;

unsafe extern "C" {
    fn s4_parallel_for(
        count: i64,
        context: *mut c_void,
        work: unsafe extern "C" fn(*mut c_void, i64, i64),
    );
}

/// Calls `work` with ranges that cover 0..`count`, one a thread. Profiles know the loop by `name`.
///
/// # Panics
/// If `work` does.
pub fn for_ranges(name: &str, count: usize, work: impl Fn(Range<usize>) + Sync) {
    struct Context<'a> {
        work: &'a (dyn Fn(Range<usize>) + Sync),
        panicked: AtomicBool,
    }
    unsafe extern "C" fn run(context: *mut c_void, begin: i64, end: i64) {
        // SAFETY: the context outlives the loop, and is only read.
        let context = unsafe { &*context.cast::<Context<'_>>() };
        // An unwinding panic must not reach C++.
        let range = begin as usize..end as usize;
        if catch_unwind(AssertUnwindSafe(|| (context.work)(range))).is_err() {
            context.panicked.store(true, Ordering::Relaxed);
        }
    }
    let _ours = dispatched::ours(name);
    let mut context = Context { work: &work, panicked: AtomicBool::new(false) };
    // SAFETY: `run` gets the context that it expects; the call returns when all ranges are done.
    unsafe { s4_parallel_for(count as i64, (&raw mut context).cast(), run) };
    assert!(!context.panicked.into_inner(), "a parallel loop panicked");
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn ranges_cover_everything_once() {
        for count in [0, 1, 2, 3, 100, 1001] {
            let seen = Mutex::new(vec![0; count]);
            for_ranges("test", count, |range| {
                let mut seen = seen.lock().unwrap();
                for i in range {
                    seen[i] += 1;
                }
            });
            assert!(seen.into_inner().unwrap().iter().all(|&n| n == 1), "{count}");
        }
    }

    #[test]
    #[should_panic(expected = "a parallel loop panicked")]
    fn a_panic_is_passed_on() {
        for_ranges("test", 4, |_| panic!("in a range"));
    }
}
