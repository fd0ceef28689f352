//! CUDA graphs: what a piece of work launches on a GPU, recorded once and launched again as a whole,
//! without the host's time for each launch.
//!
//! A replay does again exactly what was recorded, with the same memory: inputs are written into the
//! tensors that the work has read, outputs are found in those that it has made. So the work must
//! have the same shapes each time, read nothing back to the host, and take no number from the host
//! that changes.

use std::ffi::{c_char, c_void};
use std::ptr::NonNull;

use anyhow::{Context, Result, bail};
use tch::Device;

use crate::native::message::check;

/// Runs before the recording, in which plans, workspaces and gradients are made.
const WARM_UP: usize = 3;

/// A recorded piece of work.
#[derive(Debug)]
pub struct Graph(NonNull<c_void>);

impl Graph {
    /// Runs `work` some times, then records it, on a stream of its own; returns the results of the
    /// recording, which a replay fills.
    ///
    /// # Errors
    /// If the device is not CUDA, the work fails or cannot be recorded.
    pub fn record<T>(device: Device, mut work: impl FnMut() -> Result<T>) -> Result<(Self, T)> {
        let Device::Cuda(index) = device else {
            bail!("only work on a CUDA device can be recorded, not on {device:?}");
        };
        let mut graph = std::ptr::null_mut();
        // SAFETY: `graph` is a place for the result.
        unsafe { check(s4_graph_new(index as i64, &mut graph)) }?;
        let graph = Self(NonNull::new(graph).context("no graph came out")?);
        // From here on this thread's stream is the graph's, until `leave`.
        let result = graph.run(&mut work);
        // SAFETY: a live graph.
        unsafe { check(s4_graph_leave(graph.0.as_ptr())) }?;
        Ok((graph, result?))
    }

    fn run<T>(&self, work: &mut impl FnMut() -> Result<T>) -> Result<T> {
        for _ in 0..WARM_UP {
            drop(work()?);
        }
        // SAFETY: a live graph, ended in any case.
        unsafe { check(s4_graph_begin(self.0.as_ptr())) }?;
        let result = work();
        // SAFETY: as above.
        let ended = unsafe { check(s4_graph_end(self.0.as_ptr())) };
        let result = result?;
        ended.map(|()| result)
    }

    /// Launches what was recorded; the host does not wait for it.
    ///
    /// # Errors
    /// If the device fails.
    pub fn replay(&self) -> Result<()> {
        // SAFETY: a live graph.
        unsafe { check(s4_graph_replay(self.0.as_ptr())) }
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: a live graph, not used again.
        let _ = unsafe { check(s4_graph_delete(self.0.as_ptr())) };
    }
}

unsafe extern "C" {
    fn s4_graph_new(index: i64, graph: *mut *mut c_void) -> *mut c_char;
    fn s4_graph_begin(graph: *mut c_void) -> *mut c_char;
    fn s4_graph_end(graph: *mut c_void) -> *mut c_char;
    fn s4_graph_leave(graph: *mut c_void) -> *mut c_char;
    fn s4_graph_replay(graph: *mut c_void) -> *mut c_char;
    fn s4_graph_delete(graph: *mut c_void) -> *mut c_char;
}
