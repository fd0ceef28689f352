//! Counts and times the operations that libtorch is asked for: on a GPU each one is a launch or more, and
//! what small layers cost there is launches. Counting needs no GPU.
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
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use tch::Device;

use crate::native::message::check;

/// How often each operation was dispatched and how long it took, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dispatched {
    costs: BTreeMap<String, Cost>,
}

/// What came of all calls of one operation.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// Calls.
    pub calls: u64,
    /// Calls of an operation of libtorch that computes: not of views and allocations, and of operations
    /// made of others only those others.
    pub computations: u64,
    /// Time of the calls without that of operations which they called; on a GPU that is not waited for
    /// ([`count`]), that of asking for them.
    pub seconds: f64,
}

/// Runs `work` and counts what it dispatches on this thread, and what the backward passes that it
/// starts dispatch on others. Counts on several threads wait for each other.
///
/// # Errors
/// If libtorch cannot be observed.
pub fn count<T>(work: impl FnOnce() -> T) -> Result<(T, Dispatched)> {
    observe(-1, work)
}

/// As [`count`], waiting for `device` before and after each operation: the times are those of the device,
/// and the whole is slower.
///
/// # Errors
/// As [`count`].
pub fn time<T>(device: Device, work: impl FnOnce() -> T) -> Result<(T, Dispatched)> {
    let index = if let Device::Cuda(index) = device { c_int::try_from(index)? } else { -1 };
    observe(index, work)
}

fn observe<T>(device: c_int, work: impl FnOnce() -> T) -> Result<(T, Dispatched)> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let counting = Counting::begin(device)?;
    let result = work();
    Ok((result, counting.end()?))
}

impl Dispatched {
    /// Computations of all operations together.
    pub fn total(&self) -> u64 {
        self.costs.values().map(|cost| cost.computations).sum()
    }

    /// Names such as `aten::mul` and how often they computed, the most frequent first.
    pub fn by_frequency(&self) -> Vec<(&str, u64)> {
        let computing = self.costs.iter().filter(|(_, cost)| cost.computations > 0);
        let mut all: Vec<_> = computing.map(|(name, cost)| (&**name, cost.computations)).collect();
        all.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        all
    }

    /// All names, also of loops and kernels of this crate, and what they cost, the longest first.
    pub fn by_time(&self) -> Vec<(&str, Cost)> {
        let mut all: Vec<_> = self.costs.iter().map(|(name, &cost)| (&**name, cost)).collect();
        all.sort_by(|a, b| b.1.seconds.total_cmp(&a.1.seconds));
        all
    }
}

/// Something of our own under way, until it is dropped.
pub(crate) struct Ours(*mut c_void);

/// A loop or kernel of our own begins, for whoever counts.
pub(crate) fn ours(name: &str) -> Ours {
    // SAFETY: the name is copied.
    Ours(unsafe { s4_dispatched_ours(name.as_ptr().cast(), name.len()) })
}

impl Drop for Ours {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: made by `s4_dispatched_ours`, and ended once.
            unsafe { s4_dispatched_ours_end(self.0) }
        }
    }
}

/// A count under way. It ends when it is dropped, should the work panic.
struct Counting(());

impl Counting {
    fn begin(device: c_int) -> Result<Self> {
        // SAFETY: no other count is under way.
        unsafe { check(s4_dispatched_begin(device)) }?;
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

type Visit = unsafe extern "C" fn(*mut c_void, *const c_char, u64, u64, f64);

/// Ends the count of this thread.
fn stop() -> Result<Dispatched> {
    unsafe extern "C" fn visit(
        context: *mut c_void,
        name: *const c_char,
        calls: u64,
        computations: u64,
        seconds: f64,
    ) {
        // SAFETY: the context is that of `stop`, the name a C string.
        let (dispatched, name) =
            unsafe { (&mut *context.cast::<Dispatched>(), CStr::from_ptr(name)) };
        let cost = Cost { calls, computations, seconds };
        dispatched.costs.insert(name.to_string_lossy().into_owned(), cost);
    }
    let mut dispatched = Dispatched::default();
    // SAFETY: `visit` gets the context that it expects, and only during the call.
    unsafe { check(s4_dispatched_end((&raw mut dispatched).cast(), visit)) }?;
    Ok(dispatched)
}

unsafe extern "C" {
    fn s4_dispatched_begin(device: c_int) -> *mut c_char;
    fn s4_dispatched_end(context: *mut c_void, visit: Visit) -> *mut c_char;
    fn s4_dispatched_ours(name: *const c_char, length: usize) -> *mut c_void;
    fn s4_dispatched_ours_end(operation: *mut c_void);
}
