//! Plain Rust, which the compiler vectorises as far as the target allows.

use super::{IntLanes, Lanes, Simd, WIDTH};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Portable;

macro_rules! lanewise {
    ($($name:ident($($x:ident),+) = $result:expr;)+) => {$(
        #[inline(always)]
        fn $name(self, $($x: Self::V),+) -> Self::V {
            let mut result = [0.0; WIDTH];
            for i in 0..WIDTH {
                $(let $x = $x[i];)+
                result[i] = $result;
            }
            result
        }
    )+};
}

impl Simd for Portable {
    type V = [f32; WIDTH];

    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        [x; WIDTH]
    }

    #[inline(always)]
    fn load(self, from: &Lanes) -> Self::V {
        from.0
    }

    #[inline(always)]
    fn load_int(self, from: &IntLanes) -> Self::V {
        from.0.map(f32::from)
    }

    #[inline(always)]
    fn store(self, x: Self::V, to: &mut Lanes) {
        to.0 = x;
    }

    lanewise! {
        add(a, b) = a + b;
        sub(a, b) = a - b;
        mul(a, b) = a * b;
        div(a, b) = a / b;
        // Not `f32::mul_add`, which is a function call where the target has no such instruction.
        mul_add(a, b, c) = a * b + c;
        neg_mul_add(a, b, c) = c - a * b;
        min(a, b) = if a < b { a } else { b };
        max(a, b) = if a > b { a } else { b };
        exp2_of_last_bits(x) = f32::from_bits((x.to_bits() << 23).wrapping_add(1f32.to_bits()));
    }
}
