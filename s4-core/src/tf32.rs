//! TF32: whether float32 products of a GPU round their factors (8 bits of exponent as float32, 10 of
//! mantissa). A setting of the process.

unsafe extern "C" {
    fn s4_tf32_is_allowed() -> i32;
    fn s4_tf32_allow();
}

/// Whether they may.
pub fn is_allowed() -> bool {
    // SAFETY: reads a setting.
    unsafe { s4_tf32_is_allowed() != 0 }
}

/// Lets them.
pub fn allow() {
    // SAFETY: changes a setting.
    unsafe { s4_tf32_allow() }
}
