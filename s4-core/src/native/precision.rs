//! How libtorch multiplies.

unsafe extern "C" {
    fn s4_is_tf32_allowed() -> i32;
}

/// Whether float32 products of a GPU may round their factors to TF32.
pub fn is_tf32_allowed() -> bool {
    // SAFETY: reads a setting.
    unsafe { s4_is_tf32_allowed() != 0 }
}
