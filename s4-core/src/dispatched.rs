//! Counts the operations that libtorch is asked for: on a GPU each one is a launch or more, and what
//! small layers cost there is launches. Counting needs no GPU.
//!
//! ```
//! use s4_core::dispatched;
//! use tch::{Device, Kind, Tensor};
//!
//! let x = Tensor::ones([3, 4], (Kind::Float, Device::Cpu));
//! let (_, dispatched) = dispatched::count(|| (&x + &x).transpose(0, 1))?;
//! assert_eq!(dispatched.total(), 1); // a view is free
//! # Ok::<(), anyhow::Error>(())
//! ```

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_void};
use std::sync::{Mutex, PoisonError};

use anyhow::Result;

use crate::native::message::check;

/// How often each operation was dispatched, by name: those that compute, without views and
/// allocations, and of operations made of others only those others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dispatched {
    counts: BTreeMap<String, u64>,
}

/// Runs `work` and counts what it dispatches on this thread, and what the backward passes that it
/// starts dispatch on others. Counts on several threads wait for each other.
///
/// # Errors
/// If libtorch cannot be observed.
pub fn count<T>(work: impl FnOnce() -> T) -> Result<(T, Dispatched)> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let counting = Counting::begin()?;
    let result = work();
    Ok((result, counting.end()?))
}

impl Dispatched {
    /// Of all operations together.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Names such as `aten::mul` and how often, the most frequent first.
    pub fn by_frequency(&self) -> Vec<(&str, u64)> {
        let mut all: Vec<_> = self.counts.iter().map(|(name, &count)| (&**name, count)).collect();
        all.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        all
    }
}

/// A count under way. It ends when it is dropped, should the work panic.
struct Counting(());

impl Counting {
    fn begin() -> Result<Self> {
        // SAFETY: no other count is under way.
        unsafe { check(s4_dispatched_begin()) }?;
        Ok(Self(()))
    }

    fn end(self) -> Result<Dispatched> {
        let result = stop();
        std::mem::forget(self);
        result
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        let _ = stop();
    }
}

/// Ends the count of this thread.
fn stop() -> Result<Dispatched> {
    unsafe extern "C" fn visit(context: *mut c_void, name: *const c_char, count: u64) {
        // SAFETY: the context is that of `stop`, the name a C string.
        let (dispatched, name) =
            unsafe { (&mut *context.cast::<Dispatched>(), CStr::from_ptr(name)) };
        dispatched.counts.insert(name.to_string_lossy().into_owned(), count);
    }
    let mut dispatched = Dispatched::default();
    // SAFETY: `visit` gets the context that it expects, and only during the call.
    unsafe { check(s4_dispatched_end((&raw mut dispatched).cast(), visit)) }?;
    Ok(dispatched)
}

unsafe extern "C" {
    fn s4_dispatched_begin() -> *mut c_char;
    fn s4_dispatched_end(
        context: *mut c_void,
        visit: unsafe extern "C" fn(*mut c_void, *const c_char, u64),
    ) -> *mut c_char;
}
