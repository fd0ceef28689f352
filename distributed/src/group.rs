//! c10d's process groups: operations that all ranks call, in the same order.
//!
//! Each comes to its end within the group's timeout, or is an error that names rank, operation and
//! duration ([`Lost`]). After one the group is of no use any more.

use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use program::exit::describe;
use s4_core::message::check;
use tch::Tensor;
use torch_sys::C_tensor;

use crate::lost::Lost;
use crate::store::Store;

/// Where a group of Gloo's listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// At an address of this machine.
    Address(String),
    /// At the address of a network interface.
    Interface(String),
}

/// A process group, as one of its ranks has it.
#[derive(Debug)]
pub struct Group {
    group: NonNull<c_void>,
    rank: usize,
    size: usize,
    /// Why nothing more comes of it, or of a group that it shares this with.
    broken: Arc<OnceLock<String>>,
}

// SAFETY: c10d's groups may be used by one thread after another; the caller sees to the order of calls.
unsafe impl Send for Group {}
// SAFETY: as above.
unsafe impl Sync for Group {}

impl Group {
    /// A group for tensors on CPUs, by Gloo. All ranks make it at the same time, with the same store and
    /// timeout.
    ///
    /// # Errors
    /// If the others do not come within `timeout`, or there is no such address or interface.
    pub fn gloo(
        store: &Store,
        rank: usize,
        size: usize,
        listen: &Listen,
        timeout: Duration,
    ) -> Result<Self> {
        let name = match listen {
            Listen::Address(name) | Listen::Interface(name) => CString::new(name.as_str())?,
        };
        let (host, interface) = match listen {
            Listen::Address(_) => (name.as_ptr(), std::ptr::null()),
            Listen::Interface(_) => (std::ptr::null(), name.as_ptr()),
        };
        let mut group = std::ptr::null_mut();
        let begin = Instant::now();
        // SAFETY: a live store, C strings or null, and a place for the result.
        let made = unsafe {
            check(s4_group_gloo(
                store.pointer(),
                rank as c_int,
                size as c_int,
                host,
                interface,
                timeout.as_millis() as i64,
                &mut group,
            ))
        };
        made.map_err(|error| Lost {
            rank,
            size,
            operation: format!("meeting the others at {name:?}"),
            after: begin.elapsed(),
            cause: describe(&error),
        })?;
        Self::of(group, rank, size)
    }

    /// A group for tensors on CUDA devices, by NCCL, where `cuda::libtorch::load` has loaded that. All
    /// ranks make it at the same time, with the same store and timeout, and each has a device of its own.
    ///
    /// # Errors
    /// If libtorch has no NCCL, or is of another version than the one that this was built with.
    pub fn nccl(store: &Store, rank: usize, size: usize, timeout: Duration) -> Result<Self> {
        let mut group = std::ptr::null_mut();
        let milliseconds = timeout.as_millis() as i64;
        // SAFETY: a live store, and a place for the result.
        unsafe {
            let (rank, size) = (rank as c_int, size as c_int);
            check(s4_group_nccl(store.pointer(), rank, size, milliseconds, &mut group))
        }
        .context("a group of NCCL's for CUDA devices")?;
        Self::of(group, rank, size)
    }

    fn of(group: *mut c_void, rank: usize, size: usize) -> Result<Self> {
        let group = NonNull::new(group).context("no group came out")?;
        Ok(Self { group, rank, size, broken: Arc::default() })
    }

    /// The same group, which is lost when `other` is, and the other way round.
    pub fn sharing_fate_with(mut self, other: &Self) -> Self {
        self.broken = other.broken.clone();
        self
    }

    /// This process.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// How many there are.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The error after which the group is of no use any more.
    pub fn lost(&self) -> Option<&str> {
        self.broken.get().map(String::as_str)
    }

    /// Replaces `tensor`, which is contiguous, by the sum of all ranks'.
    ///
    /// # Errors
    /// [`Lost`].
    pub fn all_reduce(&self, tensor: &Tensor) -> Result<()> {
        let operation = || format!("all-reduce of {} numbers", tensor.numel());
        self.run(operation, |group, work| {
            // SAFETY: a live group and tensor, and a place for the work.
            unsafe { s4_group_all_reduce(group, tensor.as_ptr(), work) }
        })
    }

    /// Replaces `tensor`, which is contiguous, by that of rank `from`.
    ///
    /// # Errors
    /// [`Lost`].
    pub fn broadcast(&self, tensor: &Tensor, from: usize) -> Result<()> {
        let operation = || format!("broadcast of {} numbers", tensor.numel());
        self.run(operation, |group, work| {
            // SAFETY: a live group and tensor, and a place for the work.
            unsafe { s4_group_broadcast(group, tensor.as_ptr(), from as i64, work) }
        })
    }

    /// `tensor` of each rank, (ranks, ...).
    ///
    /// # Errors
    /// [`Lost`].
    pub fn all_gather(&self, tensor: &Tensor) -> Result<Tensor> {
        let tensor = tensor.contiguous();
        let shape = [&[self.size as i64], tensor.size().as_slice()].concat();
        let all = Tensor::f_empty(&shape, (tensor.kind(), tensor.device()))?;
        let operation = || format!("all-gather of {} numbers", tensor.numel());
        self.run(operation, |group, work| {
            // SAFETY: a live group and tensors, and a place for the work.
            unsafe { s4_group_all_gather(group, tensor.as_ptr(), all.as_ptr(), work) }
        })?;
        Ok(all)
    }

    /// Waits until all ranks are here.
    ///
    /// # Errors
    /// [`Lost`].
    pub fn barrier(&self) -> Result<()> {
        self.run(
            || "barrier".to_owned(),
            |group, work| {
                // SAFETY: a live group, and a place for the work.
                unsafe { s4_group_barrier(group, work) }
            },
        )
    }

    pub(crate) fn pointer(&self) -> *mut c_void {
        self.group.as_ptr()
    }

    fn run(
        &self,
        operation: impl FnOnce() -> String,
        begin: impl FnOnce(*mut c_void, *mut *mut c_void) -> *mut c_char,
    ) -> Result<()> {
        self.watched(operation, || {
            let mut work = std::ptr::null_mut();
            // SAFETY: the answer is null or a message; without one there is work, which is waited for
            // and freed once.
            unsafe {
                check(begin(self.group.as_ptr(), &mut work))?;
                check(s4_work_wait(work))
            }
        })
    }

    /// `work` of the group; its error is the end of it.
    pub(crate) fn watched(
        &self,
        operation: impl FnOnce() -> String,
        work: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let start = Instant::now();
        let done = match self.lost() {
            Some(_) => Err(anyhow!("an operation before it failed")),
            None => work(),
        };
        done.map_err(|error| {
            let Self { rank, size, .. } = *self;
            let (operation, after) = (operation(), start.elapsed());
            let lost = Lost { rank, size, operation, after, cause: describe(&error) };
            let _ = self.broken.set(lost.to_string());
            lost.into()
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The threads of a broken group may wait for what never comes.
        if self.lost().is_none() {
            // SAFETY: a live group, not used again.
            unsafe { s4_group_delete(self.group.as_ptr()) };
        }
    }
}

unsafe extern "C" {
    fn s4_group_gloo(
        store: *mut c_void,
        rank: c_int,
        size: c_int,
        host: *const c_char,
        interface: *const c_char,
        timeout: i64,
        group: *mut *mut c_void,
    ) -> *mut c_char;
    fn s4_group_nccl(
        store: *mut c_void,
        rank: c_int,
        size: c_int,
        timeout: i64,
        group: *mut *mut c_void,
    ) -> *mut c_char;
    fn s4_group_all_reduce(
        group: *mut c_void,
        tensor: *const C_tensor,
        work: *mut *mut c_void,
    ) -> *mut c_char;
    fn s4_group_broadcast(
        group: *mut c_void,
        tensor: *const C_tensor,
        from: i64,
        work: *mut *mut c_void,
    ) -> *mut c_char;
    fn s4_group_all_gather(
        group: *mut c_void,
        tensor: *const C_tensor,
        all: *const C_tensor,
        work: *mut *mut c_void,
    ) -> *mut c_char;
    fn s4_group_barrier(group: *mut c_void, work: *mut *mut c_void) -> *mut c_char;
    fn s4_work_wait(work: *mut c_void) -> *mut c_char;
    fn s4_group_delete(group: *mut c_void);
}
