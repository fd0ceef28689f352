//! Interpolated n-gram over codes with Kneser-Ney smoothing (Kneser and Ney, 1995; Chen and Goodman,
//! 1999): every order takes a discount from what it counted and gives it to the next lower one, down
//! to the uniform distribution, so that probabilities always sum to 1.

use rayon::prelude::*;

/// Previous codes in a context at most: with the code itself, four 16-bit numbers in a `u64`.
const MAX_ORDER: usize = 3;

/// A fitted model.
#[derive(Debug)]
pub(super) struct Ngram {
    /// One for each order from 0 up.
    tables: Vec<Table>,
    levels: usize,
}

/// What followed each context of one length: rows of (code, count), all in one array.
#[derive(Debug)]
struct Table {
    /// Packed contexts, ascending.
    contexts: Vec<u64>,
    /// Where the row of each context begins, and the end of the last.
    rows: Vec<u32>,
    /// Codes of a row, ascending.
    codes: Vec<u16>,
    /// Counts up to each entry: one more than entries.
    cumulative: Vec<u32>,
    /// What is taken from every count.
    discount: f64,
}

/// The order with the fewest bits on `tune` after fitting on `fit`.
pub(super) fn choose_order(fit: &[&[u16]], tune: &[&[u16]], levels: usize) -> usize {
    let bits = |order: usize| {
        let model = Ngram::fit(fit, order, levels);
        tune.par_iter().map(|codes| model.bits(codes)).collect::<Vec<_>>().iter().sum::<f64>()
    };
    let scored = (1..=MAX_ORDER).map(|order| (order, bits(order)));
    scored.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(1, |(order, _)| order)
}

impl Ngram {
    /// Counts `pieces` with contexts of `order` codes, 1 to 3. Takes less than 70
    /// bytes a code even if no context occurs twice.
    pub(super) fn fit(pieces: &[&[u16]], order: usize, levels: usize) -> Self {
        let mut keys = Vec::with_capacity(pieces.iter().map(|codes| codes.len()).sum());
        for codes in pieces {
            let mut history = start(levels);
            for &code in *codes {
                history = history << 16 | u64::from(code);
                keys.push(history & mask(order + 1));
            }
        }
        let mut tables = Vec::new();
        for lower in (0..=order).rev() {
            keys.par_sort_unstable();
            tables.push(Table::new(&keys));
            // A lower order counts in how many ways each of its entries is preceded, not how
            // often: it is asked where the higher one knows nothing.
            keys.dedup();
            keys.iter_mut().for_each(|key| *key &= mask(lower));
        }
        tables.reverse();
        Self { tables, levels }
    }

    /// Of `code` after `history`, the last code in its low 16 bits.
    fn probability(&self, history: u64, code: u16) -> f64 {
        let uniform = 1.0 / self.levels as f64;
        self.tables.iter().enumerate().fold(uniform, |lower, (order, table)| {
            table.interpolate(history & mask(order), code, lower)
        })
    }

    /// Bits of all `codes` of a sequence together.
    pub(super) fn bits(&self, codes: &[u16]) -> f64 {
        let mut history = start(self.levels);
        let mut bits = 0.0;
        for &code in codes {
            bits -= self.probability(history, code).log2();
            history = history << 16 | u64::from(code);
        }
        bits
    }
}

/// Before a sequence there was silence: the middle code, as often as a context needs it.
fn start(levels: usize) -> u64 {
    (0..MAX_ORDER).fold(0, |history, _| history << 16 | (levels / 2) as u64)
}

/// The low `codes` codes of a packed history.
fn mask(codes: usize) -> u64 {
    if codes >= 4 { u64::MAX } else { (1 << (16 * codes)) - 1 }
}

impl Table {
    /// From sorted keys: context, then code in the low 16 bits.
    fn new(keys: &[u64]) -> Self {
        let mut table = Self {
            contexts: Vec::new(),
            rows: Vec::new(),
            codes: Vec::new(),
            cumulative: vec![0],
            discount: 0.0,
        };
        let (mut once, mut twice) = (0u32, 0u32);
        let mut end = 0;
        for run in keys.chunk_by(|a, b| a == b) {
            let (context, code) = (run[0] >> 16, run[0] as u16);
            if table.contexts.last() != Some(&context) {
                table.contexts.push(context);
                table.rows.push(table.codes.len() as u32);
            }
            end += run.len() as u32;
            table.codes.push(code);
            table.cumulative.push(end);
            once += u32::from(run.len() == 1);
            twice += u32::from(run.len() == 2);
        }
        table.rows.push(table.codes.len() as u32);
        // Ney's estimate, kept off 0 and 1 so that small sets are smoothed too.
        let estimate = f64::from(once) / (f64::from(once) + 2.0 * f64::from(twice)).max(1.0);
        table.discount = estimate.clamp(0.1, 0.95);
        table
    }

    /// This order's probability given the next lower one's; the latter where the context is new.
    fn interpolate(&self, context: u64, code: u16, lower: f64) -> f64 {
        let Ok(row) = self.contexts.binary_search(&context) else {
            return lower;
        };
        let (first, end) = (self.rows[row] as usize, self.rows[row + 1] as usize);
        let count = |from: usize, to: usize| f64::from(self.cumulative[to] - self.cumulative[from]);
        let kept = match self.codes[first..end].binary_search(&code) {
            Ok(at) => count(first + at, first + at + 1) - self.discount,
            Err(_) => 0.0,
        };
        let distinct = (end - first) as f64;
        (kept + self.discount * distinct * lower) / count(first, end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn a_cycle_is_learnt_by_the_order_it_needs() {
        // After 1 comes 2 or 3, depending on what was before.
        let cycle: Vec<u16> = [0, 1, 2, 4, 1, 3].repeat(200);
        let bits = |order| Ngram::fit(&[&cycle], order, 8).bits(&cycle) / cycle.len() as f64;
        assert!(bits(2) < 0.05, "{}", bits(2));
        assert!((0.3..0.5).contains(&bits(1)), "{}", bits(1));
        assert!(choose_order(&[&cycle], &[&cycle], 8) >= 2);
    }

    #[test]
    fn memoryless_codes_gain_nothing_from_context() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let codes: Vec<u16> = (0..20_000).map(|_| rng.random_range(0..8)).collect();
        assert_eq!(choose_order(&[&codes[..15_000]], &[&codes[15_000..]], 8), 1);
    }

    #[test]
    fn order_one_by_hand() {
        // Keys from the start code 1: (1,0) (0,0) (0,1). Every count is 1, so the discount is 0.95.
        let model = Ngram::fit(&[&[0, 0, 1]], 1, 2);
        // Order 0 counts contexts: 0 follows {1, 0}, 1 follows {0}; one of its counts is 1, one is 2.
        let discount = 1.0 / 3.0;
        let zero = (2.0 - discount + discount * 2.0 * 0.5) / 3.0;
        let expected = (1.0 - 0.95 + 0.95 * 2.0 * zero) / 2.0;
        assert!((model.probability(0, 0) - expected).abs() < 1e-12);
        let after_one = 1.0 - 0.95 + 0.95 * zero;
        assert!((model.probability(1, 0) - after_one).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn sums_to_one_and_is_never_zero(
            pieces in prop::collection::vec(prop::collection::vec(0u16..7, 0..80), 1..4),
            order in 1usize..=3,
            history in prop::collection::vec(0u64..7, 3),
        ) {
            let pieces: Vec<&[u16]> = pieces.iter().map(Vec::as_slice).collect();
            let model = Ngram::fit(&pieces, order, 7);
            let history = history.iter().fold(0, |all, code| all << 16 | code);
            let all: Vec<f64> = (0..7).map(|code| model.probability(history, code)).collect();
            prop_assert!((all.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            prop_assert!(all.iter().all(|&p| p > 0.0));
        }
    }
}
