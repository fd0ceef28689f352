//! exp, σ, tanh and the exact GELU, accurate to about float32 rounding.

use crate::simd::Simd;

/// Adding it moves the integer part of a small number into the last bits of the significand.
const TO_LAST_BITS: f32 = 1.5 * (1 << 23) as f32;

/// eˣ; saturates before it would leave the range of normal numbers.
#[inline(always)]
pub(crate) fn exp<S: Simd>(s: S, x: S::V) -> S::V {
    // The order of arguments lets NaN through.
    let x = s.max(s.splat(-87.0), s.min(s.splat(88.0), x));
    let shifted = s.mul_add(x, s.splat(std::f32::consts::LOG2_E), s.splat(TO_LAST_BITS));
    let n = s.sub(shifted, s.splat(TO_LAST_BITS));
    // x - n log 2 with log 2 in two parts, the first of which has few digits (Cody and Waite).
    let r = s.neg_mul_add(n, s.splat(355.0 / 512.0), x);
    let r = s.neg_mul_add(n, s.splat(-2.121_944_4e-4), r);
    // On |r| <= log(2) / 2; coefficients of Cephes' expf.
    let coefficients =
        [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5, 1.0, 1.0];
    let mut y = s.splat(1.987_569_1e-4);
    for coefficient in coefficients {
        y = s.mul_add(y, r, s.splat(coefficient));
    }
    s.mul(y, s.exp2_of_last_bits(shifted))
}

/// 1 / (1 + e⁻ˣ).
#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(s: S, x: S::V) -> S::V {
    let one = s.splat(1.0);
    s.div(one, s.add(one, exp(s, s.sub(s.splat(0.0), x))))
}

/// tanh x, by 1 - 2 / (1 + e²ˣ): exact to about 1e-7 in absolute terms.
#[inline(always)]
pub(crate) fn tanh<S: Simd>(s: S, x: S::V) -> S::V {
    let one = s.splat(1.0);
    let e = exp(s, s.add(x, x));
    s.sub(one, s.div(s.splat(2.0), s.add(one, e)))
}

/// x Φ(x) with the distribution function Φ of the standard normal distribution, as
/// max(x, 0) - |x| Φ(-|x|): nothing cancels in the tails.
#[inline(always)]
pub(crate) fn gelu<S: Simd>(s: S, x: S::V) -> S::V {
    let size = s.max(s.sub(s.splat(0.0), x), x);
    s.neg_mul_add(size, lower_tail(s, size), s.max(s.splat(0.0), x))
}

/// Φ(-x) for x >= 0: erfc(x/√2) / 2 by the Chebyshev fit of Numerical Recipes (`erfcc`), whose
/// relative error is below 1.2e-7.
#[inline(always)]
fn lower_tail<S: Simd>(s: S, x: S::V) -> S::V {
    let z = s.mul(x, s.splat(std::f32::consts::FRAC_1_SQRT_2));
    let t = s.div(s.splat(1.0), s.mul_add(z, s.splat(0.5), s.splat(1.0)));
    let coefficients = [
        -0.822_152_23,
        1.488_515_9,
        -1.135_204,
        0.278_868_07,
        -0.186_288_06,
        0.096_784_18,
        0.374_091_96,
        1.000_023_7,
        -1.265_512_2,
    ];
    let mut exponent = s.splat(0.170_872_77);
    for coefficient in coefficients {
        exponent = s.mul_add(exponent, t, s.splat(coefficient));
    }
    let half = s.splat(0.5);
    s.mul(s.mul(half, t), exp(s, s.neg_mul_add(z, z, exponent)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Isa, Kernel, Lanes, pack};

    struct Map<'a, F>(&'a mut [Lanes], F);

    trait Function {
        fn at<S: Simd>(&self, s: S, x: S::V) -> S::V;
    }

    impl<F: Function> Kernel for Map<'_, F> {
        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            for lanes in self.0 {
                let y = self.1.at(s, s.load(lanes));
                s.store(y, lanes);
            }
        }
    }

    impl<F: Function> Function for &F {
        #[inline(always)]
        fn at<S: Simd>(&self, s: S, x: S::V) -> S::V {
            F::at(self, s, x)
        }
    }

    macro_rules! function {
        ($name:ident, $f:ident) => {
            struct $name;
            impl Function for $name {
                #[inline(always)]
                fn at<S: Simd>(&self, s: S, x: S::V) -> S::V {
                    $f(s, x)
                }
            }
        };
    }
    function!(Exp, exp);
    function!(Sigmoid, sigmoid);
    function!(Tanh, tanh);
    function!(Gelu, gelu);

    /// The largest of `error(found, expected)` on a grid of [-limit, limit].
    fn worst(
        function: impl Function,
        limit: f64,
        expected: impl Fn(f64) -> f64,
        error: impl Fn(f64, f64) -> f64,
    ) -> f64 {
        let x: Vec<f32> = (-80_000..=80_000).map(|i| (f64::from(i) / 8e4 * limit) as f32).collect();
        let images = Isa::both().map(|isa| {
            let mut y = pack(x.iter().copied());
            isa.run(Map(&mut y, &function));
            y
        });
        let pairs = images.iter().flat_map(|y| x.iter().zip(y.iter().flat_map(|lanes| lanes.0)));
        pairs.fold(0.0, |worst: f64, (&x, y)| {
            let e = error(f64::from(y), expected(f64::from(x)));
            assert!(!e.is_nan(), "NaN at {x}");
            worst.max(e)
        })
    }

    fn absolute(found: f64, expected: f64) -> f64 {
        (found - expected).abs()
    }

    fn relative(found: f64, expected: f64) -> f64 {
        (found / expected - 1.0).abs()
    }

    /// erf by its series with terms of one sign: no cancellation.
    fn reference_erf(x: f64) -> f64 {
        let (mut term, mut sum, mut n) = (x, x, 0.0);
        while term.abs() > 1e-18 * sum.abs() {
            n += 1.0;
            term *= 2.0 * x * x / (2.0 * n + 1.0);
            sum += term;
        }
        sum * (-x * x).exp() * std::f64::consts::FRAC_2_SQRT_PI
    }

    fn reference_gelu(x: f64) -> f64 {
        0.5 * x * (1.0 + reference_erf(x / std::f64::consts::SQRT_2))
    }

    #[test]
    fn functions_are_as_exact_as_float32() {
        assert!(worst(Exp, 86.0, f64::exp, relative) < 2.5e-7);
        assert!(worst(Sigmoid, 86.0, |x| 1.0 / (1.0 + (-x).exp()), relative) < 4e-7);
        assert!(worst(Tanh, 10.0, f64::tanh, absolute) < 2.5e-7);
        // Beside the rounding of the result itself.
        let error = |found: f64, expected: f64| absolute(found, expected) - 1e-7 * expected.abs();
        assert!(worst(Gelu, 8.0, reference_gelu, error) < 1e-7);
    }

    #[test]
    fn far_values_saturate_and_nan_stays() {
        let x = [f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30, f32::NAN];
        let map = |function: fn(Isa, &mut [Lanes])| {
            let mut y = pack(x);
            function(Isa::detect(), &mut y);
            y[0].0[..5].to_vec()
        };
        let y = map(|isa, y| isa.run(Map(y, Sigmoid)));
        assert!(y[0] == 1.0 && y[1] < 1e-37 && y[2] == 1.0 && y[3] < 1e-37 && y[4].is_nan());
        let y = map(|isa, y| isa.run(Map(y, Tanh)));
        assert!(y[..4] == [1.0, -1.0, 1.0, -1.0] && y[4].is_nan());
        let y = map(|isa, y| isa.run(Map(y, Gelu)));
        assert!(y[2] == 1e30 && y[3].abs() < 1e-7 && y[4].is_nan());
    }
}
