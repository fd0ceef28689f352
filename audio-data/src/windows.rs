//! The sequences of codes that a model is trained and evaluated on.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, ensure};

use crate::corpus::Corpus;
use crate::quantise::{Quantiser, Scaling};
use crate::split::Span;

/// How stretches of recordings become sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Consecutive windows of this many samples. What is left at the end of a stretch is
    /// dropped. A stretch that is too short for a window is one shorter sequence if it has at least
    /// a quarter of the length, and is dropped if not.
    Windows {
        /// Samples a window, at least 1.
        length: usize,
    },
    /// Each stretch as one sequence.
    Whole {
        /// The most samples that are kept; the rest is dropped.
        max: Option<usize>,
    },
}

impl Cut {
    fn validate(self) -> Result<()> {
        let length = match self {
            Cut::Windows { length } => Some(length),
            Cut::Whole { max } => max,
        };
        ensure!(length != Some(0), "sequences of 0 samples; use at least 1");
        Ok(())
    }

    fn apply(self, span: Span, out: &mut Vec<Span>) {
        match self {
            Cut::Windows { length } => {
                let length = length as u64;
                if span.frames >= length {
                    out.extend((0..span.frames / length).map(|i| Span {
                        start: span.start + i * length,
                        frames: length,
                        ..span
                    }));
                } else if span.frames >= length.div_ceil(4) {
                    out.push(span);
                }
            }
            Cut::Whole { max } => {
                let max = max.map_or(u64::MAX, |max| max as u64);
                out.push(Span { frames: span.frames.min(max), ..span });
            }
        }
    }
}

/// Sequences of codes, made from samples when they are asked for.
#[derive(Debug)]
pub struct Windows {
    corpus: Arc<Corpus>,
    windows: Vec<Span>,
    quantiser: Quantiser,
    scaling: Scaling,
}

/// Samples that are read at once.
const BLOCK: usize = 1 << 12;

impl Windows {
    /// Cuts `spans` of a corpus.
    ///
    /// # Errors
    /// If the cut has no length, if no stretch is long enough for it, or if one is not in the
    /// corpus.
    pub fn new(
        corpus: Arc<Corpus>,
        spans: &[Span],
        cut: Cut,
        quantiser: Quantiser,
        scaling: Scaling,
    ) -> Result<Self> {
        cut.validate()?;
        let mut windows = Vec::new();
        let mut longest = 0;
        for &span in spans {
            let inside = corpus.recordings().get(span.recording).is_some_and(|recording| {
                span.start.checked_add(span.frames).is_some_and(|end| end <= recording.frames)
            });
            ensure!(inside, "{span:?} is not in the corpus");
            if span.frames > 0 {
                cut.apply(span, &mut windows);
            }
            longest = longest.max(span.frames);
        }
        ensure!(
            !windows.is_empty(),
            "no stretch of sound is long enough for a sequence: the longest has {longest} samples \
             ({:.2} s); use shorter windows (data.length) or more data",
            longest as f64 / f64::from(corpus.rate())
        );
        Ok(Self { corpus, windows, quantiser, scaling })
    }

    /// How many sequences there are; at least one.
    #[expect(clippy::len_without_is_empty, reason = "it never is")]
    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// Codes of sequence `i`.
    ///
    /// # Panics
    /// If there is no sequence `i`.
    pub fn length(&self, i: usize) -> usize {
        // More than usize holds cannot be asked for in one piece, anyway.
        usize::try_from(self.windows[i].frames).unwrap_or(usize::MAX)
    }

    /// Codes of the longest sequence.
    pub fn longest(&self) -> usize {
        (0..self.len()).map(|i| self.length(i)).max().unwrap_or(0)
    }

    /// Where sequence `i` comes from: the file, from the data set's folder, the first sample in it
    /// (at the corpus's rate), and how many.
    ///
    /// # Panics
    /// If there is no sequence `i`.
    pub fn source(&self, i: usize) -> (&Path, u64, u64) {
        let window = self.windows[i];
        (&self.corpus.recordings()[window.recording].path, window.start, window.frames)
    }

    /// Appends the codes of sequence `i`, [`Windows::length`] of them.
    ///
    /// # Errors
    /// If there is no sequence `i`, or the disk fails; `out` is as before then.
    pub fn codes(&self, i: usize, out: &mut Vec<u16>) -> Result<()> {
        ensure!(i < self.len(), "sequence {i} of {}", self.len());
        let before = out.len();
        let encoded = self.encode(self.windows[i], out);
        if encoded.is_err() {
            out.truncate(before);
        }
        encoded
    }

    /// Appends the samples of sequence `i`, scaled, in [-1, 1], and not quantised:
    /// [`Windows::length`] of them.
    ///
    /// # Errors
    /// If there is no sequence `i`, or the disk fails; `out` may have some of them then.
    pub fn samples(&self, i: usize, out: &mut Vec<f32>) -> Result<()> {
        ensure!(i < self.len(), "sequence {i} of {}", self.len());
        let window = self.windows[i];
        let (min, max) = self.range(window)?;
        let scaled = |&sample: &f32| self.scaling.apply(sample, min, max).clamp(-1.0, 1.0) as f32;
        self.for_each_block(window, |block| out.extend(block.iter().map(scaled)))
    }

    fn encode(&self, window: Span, out: &mut Vec<u16>) -> Result<()> {
        let (min, max) = self.range(window)?;
        let encode = |&sample: &f32| self.quantiser.encode(self.scaling.apply(sample, min, max));
        self.for_each_block(window, |block| out.extend(block.iter().map(encode)))
    }

    /// The smallest and largest sample by which `window` is scaled.
    fn range(&self, window: Span) -> Result<(f32, f32)> {
        Ok(match self.scaling {
            Scaling::None => (-1.0, 1.0),
            Scaling::Recording => {
                let recording = &self.corpus.recordings()[window.recording];
                (recording.min, recording.max)
            }
            Scaling::Clip => {
                let (mut min, mut max) = (f32::INFINITY, f32::NEG_INFINITY);
                self.for_each_block(window, |block| {
                    for &sample in block {
                        (min, max) = (min.min(sample), max.max(sample));
                    }
                })?;
                (min, max)
            }
        })
    }

    fn for_each_block(&self, window: Span, mut take: impl FnMut(&[f32])) -> Result<()> {
        let mut block = [0.0; BLOCK];
        let end = window.start + window.frames;
        let mut start = window.start;
        while start < end {
            let block = &mut block[..(end - start).min(BLOCK as u64) as usize];
            self.corpus.read(window.recording, start, block)?;
            take(block);
            start += block.len() as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(cut: Cut, start: u64, frames: u64) -> Vec<(u64, u64)> {
        let mut out = Vec::new();
        cut.apply(Span { recording: 0, start, frames }, &mut out);
        out.iter().map(|span| (span.start, span.frames)).collect()
    }

    #[test]
    fn windows_follow_each_other_and_the_rest_is_dropped() {
        let windows = Cut::Windows { length: 8 };
        assert_eq!(cut(windows, 5, 31), [(5, 8), (13, 8), (21, 8)]);
        assert_eq!(cut(windows, 5, 8), [(5, 8)]);
        assert_eq!(cut(windows, 5, 7), [(5, 7)]);
        assert_eq!(cut(windows, 5, 2), [(5, 2)]);
        assert_eq!(cut(windows, 5, 1), []);
    }

    #[test]
    fn whole_stretches_end_at_the_maximum() {
        assert_eq!(cut(Cut::Whole { max: None }, 3, 9), [(3, 9)]);
        assert_eq!(cut(Cut::Whole { max: Some(4) }, 3, 9), [(3, 4)]);
        assert_eq!(cut(Cut::Whole { max: Some(40) }, 3, 9), [(3, 9)]);
    }

    #[test]
    fn nothing_is_no_length() {
        assert!(Cut::Windows { length: 0 }.validate().is_err());
        assert!(Cut::Whole { max: Some(0) }.validate().is_err());
        Cut::Whole { max: None }.validate().unwrap();
    }

    proptest! {
        #[test]
        fn windows_stay_inside(start in 0u64..1000, frames in 0u64..5000, length in 1usize..700) {
            let mut end = start;
            for (at, count) in cut(Cut::Windows { length }, start, frames) {
                prop_assert_eq!(at, end);
                prop_assert!(count <= length as u64);
                end = at + count;
            }
            prop_assert!(end <= start + frames);
            prop_assert!(start + frames - end < length as u64);
        }
    }
}
