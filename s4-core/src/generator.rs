//! The state of libtorch's random number generators, which tch does not bind: to draw the same
//! numbers again.

use std::ffi::c_char;

use anyhow::Result;
use tch::Tensor;
use torch_sys::C_tensor;

use crate::native::message::check;

/// Where the generator of one device stands.
#[derive(Debug)]
pub struct GeneratorState {
    /// A tensor on that device.
    on: Tensor,
    /// Bytes on the CPU.
    state: Tensor,
}

impl GeneratorState {
    /// The present state of the generator of the device of `on`. The host does not wait for the
    /// device.
    ///
    /// # Errors
    /// If the device has no generator.
    pub fn now(on: &Tensor) -> Result<Self> {
        let mut state = std::ptr::null_mut();
        // SAFETY: `on` is a live tensor, `state` a place for the result.
        unsafe { check(s4_generator_state(on.as_ptr(), &mut state)) }?;
        // SAFETY: without an error there is a tensor, and it is ours.
        Ok(Self { on: on.detach(), state: unsafe { Tensor::from_ptr(state) } })
    }

    /// Runs `draw` from this state, and puts the generator back to where it stood.
    ///
    /// # Errors
    /// Those of `draw`.
    pub fn replay<T>(&self, draw: impl FnOnce() -> Result<T>) -> Result<T> {
        let present = Self::now(&self.on)?;
        self.restore()?;
        let result = draw();
        present.restore()?;
        result
    }

    /// Puts the generator back to this state.
    ///
    /// # Errors
    /// If the device has no generator.
    pub fn restore(&self) -> Result<()> {
        // SAFETY: both are live tensors, which are only read.
        unsafe { check(s4_set_generator_state(self.on.as_ptr(), self.state.as_ptr())) }
    }
}

unsafe extern "C" {
    fn s4_generator_state(on: *const C_tensor, state: *mut *mut C_tensor) -> *mut c_char;
    fn s4_set_generator_state(on: *const C_tensor, state: *const C_tensor) -> *mut c_char;
}
