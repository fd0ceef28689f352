//! numpy's legacy random numbers (`np.random.seed(0)`), from which the official scores follow.

use rand_mt::Mt;

/// A permutation of 0..n, as `np.random.permutation(n)` gives after `np.random.seed(seed)`.
pub fn permutation(n: usize, seed: u32) -> Vec<i64> {
    let mut random = Mt::new(seed);
    let mut order: Vec<i64> = (0..n as i64).collect();
    for i in (1..n).rev() {
        order.swap(i, up_to(&mut random, i as u32) as usize);
    }
    order
}

/// Numbers below `n`, as `np.random.randint(0, n, count)` gives after `np.random.seed(seed)`.
pub fn integers(n: usize, count: usize, seed: u32) -> Vec<i64> {
    let mut random = Mt::new(seed);
    (0..count).map(|_| i64::from(up_to(&mut random, n as u32 - 1))).collect()
}

/// From 0 to `most`, by masks and rejection.
fn up_to(random: &mut Mt, most: u32) -> u32 {
    let Some(mask) = most.checked_ilog2().map(|bits| u32::MAX >> (31 - bits)) else { return 0 };
    loop {
        let drawn = random.next_u32() & mask;
        if drawn <= most {
            return drawn;
        }
    }
}
