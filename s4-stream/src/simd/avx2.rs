//! AVX2 with fused multiply-add: two registers of eight numbers.

use std::arch::is_x86_feature_detected;
use std::arch::x86_64::{
    __m128i, __m256, _mm_load_si128, _mm256_add_epi32, _mm256_add_ps, _mm256_castps_si256,
    _mm256_castsi256_ps, _mm256_cvtepi16_epi32, _mm256_cvtepi32_ps, _mm256_div_ps, _mm256_fmadd_ps,
    _mm256_fnmadd_ps, _mm256_load_ps, _mm256_max_ps, _mm256_min_ps, _mm256_mul_ps, _mm256_set1_ps,
    _mm256_slli_epi32, _mm256_store_ps, _mm256_sub_ps,
};

use super::{IntLanes, Kernel, Lanes, Simd};

/// Proof that the processor has AVX2 and FMA; [`Avx2::detect`] alone makes it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    pub fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }

    pub fn run(self, kernel: impl Kernel) {
        #[target_feature(enable = "avx2,fma")]
        fn compiled(kernel: impl Kernel, avx2: Avx2) {
            kernel.run(avx2);
        }
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { compiled(kernel, self) }
    }
}

/// Operations that are one instruction for each half.
macro_rules! halves {
    ($($name:ident($($x:ident),+) = $instruction:ident;)+) => {$(
        #[inline(always)]
        fn $name(self, $($x: Self::V),+) -> Self::V {
            // SAFETY: `self` proves that the processor has the instructions.
            unsafe { [$instruction($($x[0]),+), $instruction($($x[1]),+)] }
        }
    )+};
}

impl Simd for Avx2 {
    type V = [__m256; 2];

    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { [_mm256_set1_ps(x); 2] }
    }

    #[inline(always)]
    fn load(self, from: &Lanes) -> Self::V {
        let from = from.0.as_ptr();
        // SAFETY: as above; both halves of the sixteen numbers are aligned to 32 bytes.
        unsafe { [_mm256_load_ps(from), _mm256_load_ps(from.add(8))] }
    }

    #[inline(always)]
    fn load_int(self, from: &IntLanes) -> Self::V {
        let from = from.0.as_ptr().cast::<__m128i>();
        // SAFETY: as above; both halves of the sixteen numbers are aligned to 16 bytes.
        unsafe {
            [
                _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm_load_si128(from))),
                _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm_load_si128(from.add(1)))),
            ]
        }
    }

    #[inline(always)]
    fn store(self, x: Self::V, to: &mut Lanes) {
        let to = to.0.as_mut_ptr();
        // SAFETY: as for `load`.
        unsafe {
            _mm256_store_ps(to, x[0]);
            _mm256_store_ps(to.add(8), x[1]);
        }
    }

    halves! {
        add(a, b) = _mm256_add_ps;
        sub(a, b) = _mm256_sub_ps;
        mul(a, b) = _mm256_mul_ps;
        div(a, b) = _mm256_div_ps;
        mul_add(a, b, c) = _mm256_fmadd_ps;
        neg_mul_add(a, b, c) = _mm256_fnmadd_ps;
        min(a, b) = _mm256_min_ps;
        max(a, b) = _mm256_max_ps;
        exp2_of_last_bits(x) = exp2_of_last_bits;
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn exp2_of_last_bits(x: __m256) -> __m256 {
    let exponent = _mm256_slli_epi32::<23>(_mm256_castps_si256(x));
    let one = _mm256_castps_si256(_mm256_set1_ps(1.0));
    _mm256_castsi256_ps(_mm256_add_epi32(exponent, one))
}
