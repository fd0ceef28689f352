//! Products of float64 vectors with the instructions that there are.

/// A loop that is compiled for each set of instructions. `run` must be `#[inline(always)]`.
pub trait Loop {
    /// `FMA`: whether a fused multiply-add is one instruction.
    fn run<const FMA: bool>(self);
}

/// Runs the loop by the best instructions of this processor.
pub fn run(work: impl Loop) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma")]
        fn avx2(work: impl Loop) {
            work.run::<true>();
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the processor has these instructions.
            return unsafe { avx2(work) };
        }
    }
    work.run::<{ cfg!(target_arch = "aarch64") }>();
}

/// x y + z.
#[inline(always)]
pub fn multiply_add<const FMA: bool>(x: f64, y: f64, z: f64) -> f64 {
    if FMA { x.mul_add(y, z) } else { x * y + z }
}

/// y += a x.
#[inline(always)]
pub fn add_multiple<const FMA: bool>(a: f64, x: &[f64], y: &mut [f64]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y = multiply_add::<FMA>(a, x, *y);
    }
}

/// Σ x y.
#[inline(always)]
pub fn dot<const FMA: bool>(x: &[f64], y: &[f64]) -> f64 {
    const LANES: usize = 16;
    let ((x, x_rest), (y, y_rest)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for (x, y) in x.iter().zip(y) {
        for ((sum, &x), &y) in sums.iter_mut().zip(x).zip(y) {
            *sum = multiply_add::<FMA>(x, y, *sum);
        }
    }
    let rest: f64 = x_rest.iter().zip(y_rest).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f64>() + rest
}

/// y += λ ∘ x for complex numbers λ, x and y with all real parts in front of all imaginary ones.
#[inline(always)]
pub fn add_rotated<const FMA: bool>(re: &[f64], im: &[f64], x: &[f64], y: &mut [f64]) {
    let half = re.len();
    let (x_re, x_im) = x.split_at(half);
    let (y_re, y_im) = y.split_at_mut(half);
    let (im, x_im, y_im) = (&im[..half], &x_im[..half], &mut y_im[..half]);
    for i in 0..half {
        let sum = multiply_add::<FMA>(re[i], x_re[i], y_re[i]);
        y_re[i] = multiply_add::<FMA>(-im[i], x_im[i], sum);
        let sum = multiply_add::<FMA>(re[i], x_im[i], y_im[i]);
        y_im[i] = multiply_add::<FMA>(im[i], x_re[i], sum);
    }
}

/// y += A x for the columns of A one behind the other.
#[inline(always)]
pub fn add_product<const FMA: bool>(columns: &[f64], x: &[f64], y: &mut [f64]) {
    let mut start = add_product_rows::<FMA, 32>(0, columns, x, y);
    start = add_product_rows::<FMA, 8>(start, columns, x, y);
    add_product_rows::<FMA, 1>(start, columns, x, y);
}

/// The same for blocks of `WIDTH` rows from `start` on, as many as there are, each kept in
/// registers; gives the first row that is left.
#[inline(always)]
fn add_product_rows<const FMA: bool, const WIDTH: usize>(
    mut start: usize,
    columns: &[f64],
    x: &[f64],
    y: &mut [f64],
) -> usize {
    let n = y.len();
    while start + WIDTH <= n {
        let block: &mut [f64; WIDTH] =
            (&mut y[start..start + WIDTH]).try_into().expect("WIDTH rows");
        let mut sums = *block;
        for (column, &x) in columns.chunks_exact(n).zip(x) {
            let column: &[f64; WIDTH] =
                column[start..start + WIDTH].try_into().expect("WIDTH rows");
            for (sum, &a) in sums.iter_mut().zip(column) {
                *sum = multiply_add::<FMA>(a, x, *sum);
            }
        }
        *block = sums;
        start += WIDTH;
    }
    start
}
