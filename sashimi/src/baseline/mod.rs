//! What simple predictors reach: bits per sample that a neural model of audio codes has to beat.
//!
//! Three of them, each a proper distribution over the next code: the histogram (`marginal`), an
//! interpolated n-gram (`ngram`), and a linear predictor with an adaptive density for its residual
//! (`linear`), which is how lossless audio coders work. All are fitted on the training codes and
//! measured on held-out ones; whatever is chosen (orders, rates) is chosen on training codes only.

mod density;
mod linear;
mod marginal;
mod ngram;
mod pieces;
mod predictor;

use anyhow::{Context, Result, ensure};
use program::interrupt;
use rayon::prelude::*;
use serde::Serialize;

use linear::{Kind, Linear};
use marginal::{Histogram, Marginal};
use ngram::Ngram;
use pieces::Pieces;

/// Training codes in use at most; of a larger set, this many are taken evenly.
pub const MAX_TRAINING_CODES: usize = 20_000_000;

/// Held-out codes that are in memory together, apart from the last sequence read.
const GROUP_CODES: usize = 1 << 22;

/// Recordings as sequences of codes. Every sequence may be asked for more than once.
pub trait Sequences {
    /// How many recordings there are.
    fn count(&self) -> usize;

    /// Fills `out`, after clearing it, with all codes of recording `index`.
    ///
    /// # Errors
    /// If the recording cannot be read.
    fn codes(&self, index: usize, out: &mut Vec<u16>) -> Result<()>;
}

/// What each baseline needs for one held-out code, in bits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Baselines {
    /// Under the histogram of the training codes.
    pub marginal: f64,
    /// Entropy of the held-out histogram itself: no memoryless model can be below it.
    pub entropy: f64,
    /// The interpolated n-gram.
    pub ngram: NgramResult,
    /// The linear predictor.
    pub linear: LinearResult,
    /// Training codes that were used, at most [`MAX_TRAINING_CODES`].
    pub training_codes: u64,
    /// Training codes that there are.
    pub training_codes_available: u64,
    /// Codes that the figures are averages over.
    pub held_out_codes: u64,
}

/// The n-gram that did best on a part of the training codes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NgramResult {
    /// Previous codes in its context, 1 to 3.
    pub order: usize,
    /// Bits per sample, held-out.
    pub bits: f64,
}

/// The linear predictor that did best on a part of the training codes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LinearResult {
    /// Previous samples in its short filter.
    pub order: usize,
    /// Whether its filters follow the signal; otherwise they are those of the training set.
    pub adaptive: bool,
    /// Bits per sample, held-out.
    pub bits: f64,
}

/// Fits the baselines on `train` and measures them on `held_out`.
///
/// Codes are below `levels`; `decode` gives the sample in [-1, 1] of each and must increase with
/// the code. `progress` is called with what is being done, one line each time.
///
/// # Errors
/// If either set is empty, a recording cannot be read, a code is not below `levels`, `decode`
/// does not increase, or the user interrupts.
pub fn measure(
    train: &dyn Sequences,
    held_out: &dyn Sequences,
    levels: usize,
    decode: &(dyn Fn(u16) -> f32 + Sync),
    progress: &dyn Fn(&str),
) -> Result<Baselines> {
    ensure!(
        (2..=1 << 16).contains(&levels),
        "codes have {levels} levels; baselines are for 2 to 65536"
    );
    let values: Vec<f64> = (0..levels).map(|code| f64::from(decode(code as u16))).collect();
    ensure!(
        values.iter().all(|v| v.is_finite()) && values.is_sorted_by(|a, b| a < b),
        "the decoded value does not increase with the code, so codes cannot be predicted as samples"
    );

    let progress = |text: &str| {
        progress(text);
        interrupt::check()
    };
    progress("reading the training codes")?;
    let pieces = Pieces::take(train, levels, MAX_TRAINING_CODES)?;
    let (fit, tune) = pieces.split();
    let mut histogram = Histogram::new(levels);
    pieces.all().iter().for_each(|codes| histogram.add(codes));
    let marginal = Marginal::new(&histogram);

    progress("n-gram: choosing the order")?;
    let order = ngram::choose_order(&fit, &tune, levels);
    progress(&format!("n-gram: counting with order {order}"))?;
    let ngram = Ngram::fit(&pieces.all(), order, levels);

    progress("linear predictor: choosing order and adaptation")?;
    let kind = linear::choose(&fit, &tune, &values, &marginal);
    progress(&format!("linear predictor: fitting {kind}"))?;
    let linear = Linear::fit(&pieces.all(), kind, &values, &marginal);

    progress("measuring on the held-out codes")?;
    let mut sums = Sums::default();
    let mut seen = Histogram::new(levels);
    let mut next = 0;
    while next < held_out.count() {
        interrupt::check()?;
        let mut group = Vec::new();
        let mut loaded = 0;
        while next < held_out.count() && loaded < GROUP_CODES {
            let codes = read(held_out, next, levels)?;
            loaded += codes.len();
            seen.add(&codes);
            group.push(codes);
            next += 1;
        }
        let part: Vec<Sums> = group
            .par_iter()
            .map(|codes| {
                let (ngram, linear) = rayon::join(|| ngram.bits(codes), || linear.bits(codes));
                Sums { marginal: marginal.bits(codes), ngram, linear }
            })
            .collect();
        part.iter().for_each(|part| sums.add(part));
    }
    let held_out_codes = seen.total();
    ensure!(
        held_out_codes > 0,
        "there are no held-out codes to measure baselines on; give at least one recording"
    );
    let mean = |bits: f64| bits / held_out_codes as f64;
    let (linear_order, adaptive) = match kind {
        Kind::Fixed { order } => (order, false),
        Kind::Adaptive { order, .. } => (order, true),
    };
    Ok(Baselines {
        marginal: mean(sums.marginal),
        entropy: seen.entropy(),
        ngram: NgramResult { order, bits: mean(sums.ngram) },
        linear: LinearResult { order: linear_order, adaptive, bits: mean(sums.linear) },
        training_codes: pieces.len() as u64,
        training_codes_available: pieces.available,
        held_out_codes,
    })
}

/// Bits of many codes under each model.
#[derive(Debug, Default)]
struct Sums {
    marginal: f64,
    ngram: f64,
    linear: f64,
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.marginal += other.marginal;
        self.ngram += other.ngram;
        self.linear += other.linear;
    }
}

/// Recording `index`, checked.
fn read(sequences: &dyn Sequences, index: usize, levels: usize) -> Result<Vec<u16>> {
    let mut codes = Vec::new();
    sequences
        .codes(index, &mut codes)
        .with_context(|| format!("cannot read recording {index} for the baselines"))?;
    if let Some(position) = codes.iter().position(|&code| usize::from(code) >= levels) {
        anyhow::bail!(
            "recording {index} has code {} at sample {position}, but there are only {levels} levels; \
             use the quantiser that made the codes",
            codes[position]
        );
    }
    Ok(codes)
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    struct Memory(Vec<Vec<u16>>);

    impl Sequences for Memory {
        fn count(&self) -> usize {
            self.0.len()
        }

        fn codes(&self, index: usize, out: &mut Vec<u16>) -> Result<()> {
            out.clear();
            out.extend_from_slice(&self.0[index]);
            Ok(())
        }
    }

    fn decode(code: u16) -> f32 {
        (f32::from(code) - 31.5) / 32.0
    }

    fn quiet(_: &str) {}

    /// Two sines and a little noise in 64 levels.
    fn tones(seed: u64, length: usize) -> Vec<u16> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (a, b): (f64, f64) = (rng.random_range(0.05..0.3), rng.random_range(0.05..0.3));
        (0..length)
            .map(|t| {
                let t = t as f64;
                let x = 0.5 * (a * t).sin() + 0.3 * (b * t).cos() + rng.random_range(-0.03..0.03);
                (x * 32.0 + 31.5).round() as u16
            })
            .collect()
    }

    #[test]
    fn predictable_audio_ranks_the_baselines() {
        let train = Memory((0..12).map(|seed| tones(seed, 4000)).collect());
        let held_out = Memory((100..103).map(|seed| tones(seed, 4000)).collect());
        let found = measure(&train, &held_out, 64, &decode, &quiet).unwrap();
        assert_eq!((found.training_codes, found.held_out_codes), (48_000, 12_000));
        assert!(found.entropy <= found.marginal, "{found:?}");
        assert!(found.ngram.bits < found.marginal - 1.0, "{found:?}");
        assert!(found.linear.bits < found.ngram.bits - 0.5, "{found:?}");
        // The noise spans about two levels: nothing can be much below one bit.
        assert!(found.linear.bits > 0.8, "{found:?}");
    }

    #[test]
    fn noise_costs_what_noise_costs() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut noise = |length| (0..length).map(|_| rng.random_range(0..64)).collect::<Vec<u16>>();
        let (train, held_out) = (Memory(vec![noise(60_000)]), Memory(vec![noise(20_000)]));
        let found = measure(&train, &held_out, 64, &decode, &quiet).unwrap();
        for bits in [found.marginal, found.entropy, found.ngram.bits, found.linear.bits] {
            assert!((5.99..6.1).contains(&bits), "{found:?}");
        }
    }

    #[test]
    fn one_short_recording_is_enough_and_silence_is_nearly_free() {
        let held_out = Memory(vec![vec![32; 500], vec![]]);
        let found = measure(&Memory(vec![vec![32; 300]]), &held_out, 64, &decode, &quiet).unwrap();
        for bits in [found.ngram.bits, found.linear.bits] {
            assert!((0.0..0.5).contains(&bits), "{found:?}");
        }
        assert_eq!(found.entropy, 0.0);
        let two = Memory(vec![vec![3, 60]]);
        let found = measure(&two, &two, 64, &decode, &quiet).unwrap();
        assert!(found.linear.bits.is_finite() && found.ngram.bits.is_finite(), "{found:?}");
    }

    #[test]
    fn bad_input_is_an_error_with_a_cause() {
        let good = Memory(vec![vec![1, 2, 3]]);
        let empty = Memory(vec![]);
        let high = Memory(vec![vec![0, 64]]);
        for (train, held_out, levels, expected) in [
            (&empty, &good, 64, "no training codes"),
            (&good, &empty, 64, "no held-out codes"),
            (&high, &good, 64, "code 64 at sample 1"),
            (&good, &good, 1, "1 levels"),
        ] {
            let error = measure(train, held_out, levels, &decode, &quiet).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let error = measure(&good, &good, 64, &|code| -decode(code), &quiet).unwrap_err();
        assert!(error.to_string().contains("does not increase"), "{error}");
    }
}
