//! A bounded, even share of the training codes.

use anyhow::{Result, ensure};

use super::{Sequences, read};

/// Codes in a piece at most.
const PIECE: usize = 1 << 14;
/// One part in this many of the training codes is for choosing.
const TUNE_SHARE: usize = 8;

/// Pieces of recordings, in order.
#[derive(Debug)]
pub(super) struct Pieces {
    pieces: Vec<Piece>,
    /// Codes in the recordings that the pieces were taken from.
    pub(super) available: u64,
}

#[derive(Debug)]
struct Piece {
    recording: usize,
    number: usize,
    codes: Vec<u16>,
}

impl Pieces {
    /// Takes at most about `limit` codes. Pieces are kept all at first; whenever there are too many,
    /// every other one goes, and from then on half as many are kept.
    pub(super) fn take(sequences: &dyn Sequences, levels: usize, limit: usize) -> Result<Self> {
        let (mut pieces, mut available) = (Vec::<Piece>::new(), 0);
        let (mut number, mut stride, mut held) = (0, 1, 0);
        for recording in 0..sequences.count() {
            let codes = read(sequences, recording, levels)?;
            available += codes.len() as u64;
            for codes in codes.chunks(PIECE) {
                if number % stride == 0 {
                    held += codes.len();
                    pieces.push(Piece { recording, number, codes: codes.to_vec() });
                }
                number += 1;
                while held > limit && pieces.len() > 1 {
                    stride *= 2;
                    pieces.retain(|piece| piece.number % stride == 0);
                    held = pieces.iter().map(|piece| piece.codes.len()).sum();
                }
            }
        }
        ensure!(
            available > 0,
            "there are no training codes to fit baselines on; give at least one recording"
        );
        Ok(Self { pieces, available })
    }

    /// Codes in all pieces.
    pub(super) fn len(&self) -> usize {
        self.pieces.iter().map(|piece| piece.codes.len()).sum()
    }

    /// All pieces.
    pub(super) fn all(&self) -> Vec<&[u16]> {
        self.pieces.iter().map(|piece| piece.codes.as_slice()).collect()
    }

    /// Disjoint parts to fit on and to choose on. Whole recordings are held back where there are
    /// several, for a model may know a recording by heart.
    pub(super) fn split(&self) -> (Vec<&[u16]>, Vec<&[u16]>) {
        let last = self.pieces.last().map_or(0, |piece| piece.recording);
        let first = self.pieces.first().map_or(0, |piece| piece.recording);
        if first == last {
            // Only one: its end.
            let mut skip = self.len() - self.len() / TUNE_SHARE;
            let (mut fit, mut tune) = (Vec::new(), Vec::new());
            for codes in self.all() {
                let (head, tail) = codes.split_at(skip.min(codes.len()));
                skip -= head.len();
                fit.push(head);
                tune.push(tail);
            }
            fit.retain(|codes| !codes.is_empty());
            tune.retain(|codes| !codes.is_empty());
            return (fit, tune);
        }
        let mut position = 0;
        let mut previous = first;
        let (mut fit, mut tune) = (Vec::new(), Vec::new());
        for piece in &self.pieces {
            position += usize::from(piece.recording != previous);
            previous = piece.recording;
            let held_back = position % TUNE_SHARE == TUNE_SHARE - 1
                || (piece.recording == last && position < TUNE_SHARE);
            if held_back { &mut tune } else { &mut fit }.push(piece.codes.as_slice());
        }
        (fit, tune)
    }
}

/// Evenly spaced ones of `pieces`, about `limit` codes in all.
pub(super) fn sample<'a>(pieces: &[&'a [u16]], limit: usize) -> Vec<&'a [u16]> {
    let total: usize = pieces.iter().map(|codes| codes.len()).sum();
    let stride = total.div_ceil(limit).max(1);
    pieces.iter().step_by(stride).copied().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Lengths(Vec<usize>);

    impl Sequences for Lengths {
        fn count(&self) -> usize {
            self.0.len()
        }

        fn codes(&self, index: usize, out: &mut Vec<u16>) -> Result<()> {
            out.clear();
            out.resize(self.0[index], index as u16);
            Ok(())
        }
    }

    #[test]
    fn a_large_set_is_thinned_evenly() {
        let pieces = Pieces::take(&Lengths(vec![PIECE; 100]), 100, 20 * PIECE).unwrap();
        assert_eq!(pieces.available, 100 * PIECE as u64);
        let kept: Vec<usize> = pieces.pieces.iter().map(|piece| piece.recording).collect();
        assert_eq!(kept, (0..100).step_by(8).collect::<Vec<_>>());
    }

    #[test]
    fn several_recordings_are_not_shared_between_the_parts() {
        for count in [2, 3, 7, 8, 9, 40] {
            let pieces = Pieces::take(&Lengths(vec![2 * PIECE; count]), 100, usize::MAX).unwrap();
            let (fit, tune) = pieces.split();
            assert!(!fit.is_empty() && !tune.is_empty());
            assert!(tune.iter().all(|t| fit.iter().all(|f| f[0] != t[0])), "{count}");
        }
    }

    #[test]
    fn sampling_takes_about_as_much_as_asked() {
        let codes = vec![0u16; 1000];
        let pieces = vec![codes.as_slice(); 50];
        assert_eq!(sample(&pieces, 10_000).len(), 10);
        assert_eq!(sample(&pieces, 1_000_000).len(), 50);
    }

    proptest! {
        #[test]
        fn limits_hold_and_nothing_is_lost_below_them(
            lengths in prop::collection::vec(0usize..3 * PIECE, 1..20),
            limit in PIECE..20 * PIECE,
        ) {
            let total: usize = lengths.iter().sum();
            prop_assume!(total > 0);
            let pieces = Pieces::take(&Lengths(lengths), 100, limit).unwrap();
            prop_assert!(pieces.len() <= limit);
            prop_assert!(total > limit || pieces.len() == total);
            let (fit, tune) = pieces.split();
            let count = |part: &[&[u16]]| part.iter().map(|codes| codes.len()).sum::<usize>();
            prop_assert_eq!(count(&fit) + count(&tune), pieces.len());
        }
    }
}
