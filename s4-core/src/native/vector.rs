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

/// y = A x for the rows of A, (R, N).
#[derive(Debug)]
pub struct Rows<'a> {
    rows: &'a [f64],
    /// The columns one behind the other, where there are rows enough for them.
    columns: Option<Vec<f64>>,
}

impl<'a> Rows<'a> {
    /// Of so many columns.
    pub fn new(rows: &'a [f64], columns: usize) -> Self {
        let count = rows.len() / columns;
        let transposed = || {
            let mut transposed = vec![0.0; rows.len()];
            for (x, column) in transposed.chunks_exact_mut(count).enumerate() {
                for (place, row) in column.iter_mut().zip(rows.chunks_exact(columns)) {
                    *place = row[x];
                }
            }
            transposed
        };
        Self { rows, columns: (count >= 8).then(transposed) }
    }

    /// y = A x.
    #[inline(always)]
    pub fn product<const FMA: bool>(&self, x: &[f64], y: &mut [f64]) {
        match &self.columns {
            Some(columns) => {
                y.fill(0.0);
                add_product::<FMA>(columns, x, y);
            }
            None => {
                for (y, row) in y.iter_mut().zip(self.rows.chunks_exact(x.len())) {
                    *y = dot::<FMA>(row, x);
                }
            }
        }
    }
}

/// y += λ ∘ x for complex numbers λ, x and y with all real parts in front of all imaginary ones.
#[inline(always)]
pub fn add_rotated<const FMA: bool>(re: &[f64], im: &[f64], x: &[f64], y: &mut [f64]) {
    let (half, x_half) = (y.len() / 2, x.len() / 2);
    add_complex::<FMA, false>([re, im], x.split_at(x_half).into(), y.split_at_mut(half).into());
}

/// y += λ ∘ x, or λ* ∘ x if `CONJUGATE`, for complex numbers as real and imaginary parts.
#[inline(always)]
pub fn add_complex<const FMA: bool, const CONJUGATE: bool>(
    [re, im]: [&[f64]; 2],
    [x_re, x_im]: [&[f64]; 2],
    [y_re, y_im]: [&mut [f64]; 2],
) {
    // Values that are read and written lane by lane could overlap for all that a compiler knows.
    const LANES: usize = 8;
    let sign = if CONJUGATE { -1.0 } else { 1.0 };
    let add = |re: f64, im: f64, x_re: f64, x_im: f64, y_re: &mut f64, y_im: &mut f64| {
        let im = sign * im;
        *y_re = multiply_add::<FMA>(-im, x_im, multiply_add::<FMA>(re, x_re, *y_re));
        *y_im = multiply_add::<FMA>(im, x_re, multiply_add::<FMA>(re, x_im, *y_im));
    };
    let whole = y_re.len() / LANES;
    let [re_lanes, im_lanes, x_re_lanes, x_im_lanes] =
        [re, im, x_re, x_im].map(|x| &x.as_chunks::<LANES>().0[..whole]);
    let (y_re_lanes, y_re_rest) = y_re.as_chunks_mut::<LANES>();
    let (y_im_lanes, y_im_rest) = y_im.as_chunks_mut::<LANES>();
    let y_im_lanes = &mut y_im_lanes[..whole];
    for at in 0..whole {
        let (re, im, x_re, x_im) = (re_lanes[at], im_lanes[at], x_re_lanes[at], x_im_lanes[at]);
        let (mut y_re, mut y_im) = (y_re_lanes[at], y_im_lanes[at]);
        for i in 0..LANES {
            add(re[i], im[i], x_re[i], x_im[i], &mut y_re[i], &mut y_im[i]);
        }
        (y_re_lanes[at], y_im_lanes[at]) = (y_re, y_im);
    }
    let done = whole * LANES;
    for (i, (y_re, y_im)) in y_re_rest.iter_mut().zip(y_im_rest).enumerate() {
        let at = done + i;
        add(re[at], im[at], x_re[at], x_im[at], y_re, y_im);
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
