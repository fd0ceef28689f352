//! Codes that went in before, as far as they are looked at.

use anyhow::{Result, ensure};

use crate::state_tensors::StateTensors;

/// The last codes of some sequences.
#[derive(Debug, Clone)]
pub(crate) struct Past {
    /// Codes that went into each sequence so far.
    position: usize,
    /// Codes of each that are kept; 0 where nobody looks back.
    reach: usize,
    /// (B, reach): of each sequence a ring, in which code number n is at n modulo reach.
    codes: Vec<u32>,
}

impl Past {
    /// Before the first code of `batch` sequences, of which the last `reach` codes are looked at.
    pub fn new(batch: usize, reach: usize) -> Self {
        Self { position: 0, reach, codes: vec![0; batch * reach] }
    }

    /// Takes in the next code of every sequence.
    pub fn push(&mut self, codes: &[u32]) {
        if self.reach > 0 {
            let place = self.position % self.reach;
            let rings = self.codes.chunks_exact_mut(self.reach);
            rings.zip(codes).for_each(|(ring, &code)| ring[place] = code);
        }
        self.position += 1;
    }

    /// The code `lag` places before the next one of sequence `row`; none before the first. At most as far back as
    /// is kept.
    pub fn code(&self, row: usize, lag: usize) -> Option<u32> {
        let place = self.position.checked_sub(lag)? % self.reach;
        Some(self.codes[row * self.reach + place])
    }

    /// Goes to after `position` codes below `number`, the last of which are the next of `tensors`: all that are kept
    /// but for one, which is the next to go in.
    pub fn load(&mut self, position: u64, number: usize, tensors: &mut StateTensors) -> Result<()> {
        self.position = usize::try_from(position)?;
        if self.reach < 2 {
            return Ok(());
        }
        let known = self.position.min(self.reach - 1);
        let rows = tensors.next("the last codes", known)?;
        for (i, &code) in rows.iter().enumerate() {
            ensure!(
                code >= 0.0 && code < number as f32,
                "the state has {code} among the last codes; the model has codes below {number}"
            );
            let (row, place) = (i / known, self.position - known + i % known);
            self.codes[row * self.reach + place % self.reach] = code as u32;
        }
        Ok(())
    }

    /// The same for `times` sequences instead of each one.
    pub fn repeat(&self, times: usize) -> Self {
        Self { codes: self.codes.repeat(times), ..*self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_codes_are_known_wherever_a_sequence_begins() {
        let codes = [4, 1, 3, 0, 2, 4];
        for reach in 2..5 {
            let mut whole = Past::new(1, reach);
            for cut in 0..codes.len() {
                let known = codes[cut.saturating_sub(reach - 1)..cut].iter();
                let tensors = [known.map(|&code| code as f32).collect::<Vec<_>>()];
                let mut part = Past::new(1, reach);
                part.load(cut as u64, 5, &mut StateTensors::new(&tensors, 1, 0..1)).unwrap();
                for past in [&mut whole, &mut part] {
                    past.push(&codes[cut..=cut]);
                    for lag in 1..=reach {
                        let expected = (cut + 1).checked_sub(lag).map(|at| codes[at]);
                        assert_eq!(past.code(0, lag), expected, "{lag} before {}", cut + 1);
                    }
                }
            }
        }
        let tensors = [vec![5.0]];
        let wrong = Past::new(1, 3).load(1, 5, &mut StateTensors::new(&tensors, 1, 0..1));
        assert!(wrong.unwrap_err().to_string().contains("codes below 5"));
    }
}
