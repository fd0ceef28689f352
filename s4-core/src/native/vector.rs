//! Products of vectors with the instructions that there are.

use super::numbers::Element;

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
pub fn multiply_add<const FMA: bool, T: Element>(x: T, y: T, z: T) -> T {
    if FMA { T::fused(x, y, z) } else { x * y + z }
}

/// Σ x y.
#[inline(always)]
pub fn dot<const FMA: bool, T: Element>(x: &[T], y: &[T]) -> T {
    const LANES: usize = 16;
    let ((x, x_rest), (y, y_rest)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
    let mut sums = [T::default(); LANES];
    for (x, y) in x.iter().zip(y) {
        for ((sum, &x), &y) in sums.iter_mut().zip(x).zip(y) {
            *sum = multiply_add::<FMA, T>(x, y, *sum);
        }
    }
    let rest: T = x_rest.iter().zip(y_rest).map(|(&x, &y)| x * y).sum();
    sums.into_iter().sum::<T>() + rest
}

/// A matrix whose product with a vector is that of its rows, or, where there are enough of them, of its
/// columns: sums of columns stay in registers, while each row's has to be added up.
#[derive(Debug)]
pub struct Rows<'a, T> {
    rows: &'a [T],
    /// One behind the other.
    columns: Option<Vec<T>>,
}

impl<'a, T: Element> Rows<'a, T> {
    /// Rows of this many numbers.
    pub fn new(rows: &'a [T], width: usize) -> Self {
        let count = rows.len() / width;
        Self { rows, columns: (count >= 8).then(|| transposed(rows, width)) }
    }

    /// y = A x.
    #[inline(always)]
    pub fn product<const FMA: bool>(&self, x: &[T], y: &mut [T]) {
        match &self.columns {
            Some(columns) => {
                y.fill(T::default());
                add_product::<FMA, T>(columns, x, y);
            }
            None => {
                for (y, row) in y.iter_mut().zip(self.rows.chunks_exact(x.len())) {
                    *y = dot::<FMA, T>(row, x);
                }
            }
        }
    }
}

/// Rows of `width` numbers as columns.
pub fn transposed<T: Element>(rows: &[T], width: usize) -> Vec<T> {
    const SIDE: usize = 4;
    let count = rows.len().checked_div(width).unwrap_or(0);
    let mut columns = vec![T::default(); rows.len()];
    let (whole_rows, whole_columns) = (count - count % SIDE, width - width % SIDE);
    for r in (0..whole_rows).step_by(SIDE) {
        let block: [&[T]; SIDE] = std::array::from_fn(|i| &rows[(r + i) * width..][..width]);
        for x in (0..whole_columns).step_by(SIDE) {
            let block = block.map(|row| *row[x..].first_chunk::<SIDE>().expect("inside a row"));
            for i in 0..SIDE {
                let place = columns[(x + i) * count + r..].first_chunk_mut::<SIDE>();
                *place.expect("inside a column") = block.map(|row| row[i]);
            }
        }
    }
    for r in 0..count {
        let rest = if r < whole_rows { whole_columns } else { 0 };
        for x in rest..width {
            columns[x * count + r] = rows[r * width + x];
        }
    }
    columns
}

/// y += λ ∘ x for complex numbers λ, x and y with all real parts in front of all imaginary ones.
#[inline(always)]
pub fn add_rotated<const FMA: bool, T: Element>(re: &[T], im: &[T], x: &[T], y: &mut [T]) {
    let half = re.len();
    add_complex::<FMA, false, T>([re, im], x.split_at(half).into(), y.split_at_mut(half).into());
}

/// y += λ ∘ x, or λ* ∘ x if `CONJUGATE`, for complex numbers as real and imaginary parts.
#[inline(always)]
pub fn add_complex<const FMA: bool, const CONJUGATE: bool, T: Element>(
    [re, im]: [&[T]; 2],
    [x_re, x_im]: [&[T]; 2],
    [y_re, y_im]: [&mut [T]; 2],
) {
    // Some at a time: for all that a compiler knows, what is written one by one could be read next.
    const LANES: usize = 8;
    let add = |re: T, im: T, x_re: T, x_im: T, y_re: &mut T, y_im: &mut T| {
        let im = if CONJUGATE { -im } else { im };
        *y_re = multiply_add::<FMA, T>(-im, x_im, multiply_add::<FMA, T>(re, x_re, *y_re));
        *y_im = multiply_add::<FMA, T>(im, x_re, multiply_add::<FMA, T>(re, x_im, *y_im));
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
    for (i, (y_re, y_im)) in y_re_rest.iter_mut().zip(y_im_rest).enumerate() {
        let at = whole * LANES + i;
        add(re[at], im[at], x_re[at], x_im[at], y_re, y_im);
    }
}

/// y += A x for the columns of A in sequence.
#[inline(always)]
pub fn add_product<const FMA: bool, T: Element>(columns: &[T], x: &[T], y: &mut [T]) {
    let mut start = 0;
    if size_of::<T>() == 4 {
        start = add_product_rows::<FMA, 64, T>(start, columns, x, y);
    }
    start = add_product_rows::<FMA, 32, T>(start, columns, x, y);
    start = add_product_rows::<FMA, 8, T>(start, columns, x, y);
    add_product_rows::<FMA, 1, T>(start, columns, x, y);
}

/// The same for blocks of `WIDTH` rows from `start` on, as many as there are, each kept in
/// registers; returns the first row that is left.
#[inline(always)]
fn add_product_rows<const FMA: bool, const WIDTH: usize, T: Element>(
    mut start: usize,
    columns: &[T],
    x: &[T],
    y: &mut [T],
) -> usize {
    let n = y.len();
    while start + WIDTH <= n {
        let block: &mut [T; WIDTH] = (&mut y[start..start + WIDTH]).try_into().expect("WIDTH rows");
        let mut sums = *block;
        for (column, &x) in columns.chunks_exact(n).zip(x) {
            let column: &[T; WIDTH] = column[start..start + WIDTH].try_into().expect("WIDTH rows");
            for (sum, &a) in sums.iter_mut().zip(column) {
                *sum = multiply_add::<FMA, T>(a, x, *sum);
            }
        }
        *block = sums;
        start += WIDTH;
    }
    start
}
