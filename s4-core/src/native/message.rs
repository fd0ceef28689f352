//! What the C++ of the crates answers: null, or a message made with `malloc`.

use std::ffi::{CStr, c_char, c_void};

use anyhow::{Result, bail};

unsafe extern "C" {
    fn free(pointer: *mut c_void);
}

/// The message, which is freed, as an error.
///
/// # Safety
/// `message` must be such an answer, and not be used again.
pub unsafe fn check(message: *mut c_char) -> Result<()> {
    if message.is_null() {
        return Ok(());
    }
    // SAFETY: a C string made with `malloc`.
    let text = unsafe {
        let text = CStr::from_ptr(message).to_string_lossy().into_owned();
        free(message.cast());
        text
    };
    bail!(text)
}
