//! What sixteen numbers lie in memory as: float32, or integers of 16 bits, which are half as much to
//! read.

use super::{Lanes, Simd, WIDTH};

/// Sixteen numbers that can be loaded.
pub(crate) trait Packed: Copy {
    fn load<S: Simd>(&self, simd: S) -> S::V;
}

impl Packed for Lanes {
    #[inline(always)]
    fn load<S: Simd>(&self, simd: S) -> S::V {
        simd.load(self)
    }
}

/// Sixteen integers.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(32))]
pub(crate) struct IntLanes(pub [i16; WIDTH]);

impl Packed for IntLanes {
    #[inline(always)]
    fn load<S: Simd>(&self, simd: S) -> S::V {
        simd.load_int(self)
    }
}
