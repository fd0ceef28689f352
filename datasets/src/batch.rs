//! Examples as plain data, one by one and in batches: built on worker threads, made tensors by
//! whoever trains.

use anyhow::{Context, Result, bail, ensure};

/// Sequences of one length L, one or B of them, concatenated.
#[derive(Debug, Clone, PartialEq)]
pub enum Sequences {
    /// Bytes that stand for value / 255, (B, L).
    Bytes(Vec<u8>),
    /// Real values, (B, L, features).
    Values {
        /// All values, features fastest.
        values: Vec<f32>,
        /// Values per position.
        features: usize,
    },
    /// Token numbers, (B, L).
    Tokens(Vec<i64>),
}

/// One example of a classification task.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Its sequence, or the two that are compared.
    pub sequences: Vec<Sequences>,
    /// Its class.
    pub label: i64,
}

/// Examples of a classification task.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The inputs, all padded to `length`. Pairs: all first sequences, then all second ones.
    pub sequences: Sequences,
    /// Positions per sequence, L.
    pub length: usize,
    /// Valid positions of each sequence; `None`: all.
    pub lengths: Option<Vec<i64>>,
    /// The class of each example.
    pub labels: Vec<i64>,
}

impl Sequences {
    /// Positions, of all sequences together.
    pub fn len(&self) -> usize {
        match self {
            Sequences::Bytes(bytes) => bytes.len(),
            Sequences::Values { values, features } => values.len() / features.max(&1),
            Sequences::Tokens(tokens) => tokens.len(),
        }
    }

    /// Whether there are no positions.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// None yet of `positions` positions like these.
    fn empty_like(&self, positions: usize) -> Self {
        match self {
            Sequences::Bytes(_) => Sequences::Bytes(Vec::with_capacity(positions)),
            Sequences::Values { features, .. } => Sequences::Values {
                values: Vec::with_capacity(positions * features),
                features: *features,
            },
            Sequences::Tokens(_) => Sequences::Tokens(Vec::with_capacity(positions)),
        }
    }

    /// Adds a sequence, filled up to `length` positions.
    fn push(&mut self, sequence: &Self, length: usize, padding: f32) -> Result<()> {
        let end = self.len() + length;
        match (self, sequence) {
            (Sequences::Bytes(all), Sequences::Bytes(one)) => {
                all.extend_from_slice(one);
                all.resize(end, (255.0 * padding) as u8);
            }
            (
                Sequences::Values { values: all, features },
                Sequences::Values { values: one, features: its },
            ) if *features == *its => {
                all.extend_from_slice(one);
                all.resize(end * *features, padding);
            }
            (Sequences::Tokens(all), Sequences::Tokens(one)) => {
                all.extend_from_slice(one);
                all.resize(end, padding as i64);
            }
            _ => bail!("sequences of bytes, of values and of tokens do not fit into one batch"),
        }
        Ok(())
    }
}

impl Batch {
    /// All of it as bytes, for a fingerprint.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = match &self.sequences {
            Sequences::Bytes(bytes) => bytes.clone(),
            Sequences::Values { values, .. } => {
                values.iter().flat_map(|value| value.to_le_bytes()).collect()
            }
            Sequences::Tokens(tokens) => {
                tokens.iter().flat_map(|token| token.to_le_bytes()).collect()
            }
        };
        let numbers = self.lengths.iter().flatten().chain(&self.labels);
        bytes.extend(numbers.flat_map(|number| number.to_le_bytes()));
        bytes
    }

    /// Puts examples together. Shorter sequences are filled up with `padding`; where that is
    /// `None`, all must be of one length.
    ///
    /// # Errors
    /// If there are no examples, or their sequences are of different kinds, or of different lengths
    /// that are not to be filled up.
    pub fn of(examples: &[Example], padding: Option<f32>) -> Result<Self> {
        let first = examples.first().context("a batch has at least one example")?;
        let width = first.sequences.len();
        ensure!(
            examples.iter().all(|example| example.sequences.len() == width),
            "single sequences and pairs do not fit into one batch"
        );
        // All first sequences, then all second ones.
        let rows: Vec<&Sequences> = (0..width)
            .flat_map(|tower| examples.iter().map(move |example| &example.sequences[tower]))
            .collect();
        let lengths: Vec<usize> = rows.iter().map(|row| row.len()).collect();
        let length = lengths.iter().max().copied().unwrap_or(0);
        if let (None, Some(other)) = (padding, lengths.iter().find(|&&other| other != length)) {
            bail!("sequences of {other} and of {length} positions do not fit into one batch");
        }
        let mut sequences = rows[0].empty_like(rows.len() * length);
        for row in rows {
            sequences.push(row, length, padding.unwrap_or(0.0))?;
        }
        let lengths = padding.map(|_| lengths.into_iter().map(|length| length as i64).collect());
        let labels = examples.iter().map(|example| example.label).collect();
        Ok(Self { sequences, length, lengths, labels })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(sequences: &[Sequences]) -> Example {
        Example { sequences: sequences.to_vec(), label: sequences.len() as i64 }
    }

    fn values(values: &[f32], features: usize) -> Sequences {
        Sequences::Values { values: values.to_vec(), features }
    }

    #[test]
    fn short_sequences_are_filled_up() {
        let examples = [values(&[1.0, 2.0], 2), values(&[3.0, 4.0, 5.0, 6.0], 2)];
        let examples = examples.map(|sequence| example(&[sequence]));
        let batch = Batch::of(&examples, Some(-1.0)).unwrap();
        assert_eq!(batch.sequences, values(&[1.0, 2.0, -1.0, -1.0, 3.0, 4.0, 5.0, 6.0], 2));
        assert_eq!((batch.length, batch.lengths), (2, Some(vec![1, 2])));
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let bytes = |count| Sequences::Bytes(vec![0; count]);
        for (a, b, words) in [
            (vec![bytes(1)], vec![bytes(2)], "of 1 and of 2 positions"),
            (vec![bytes(1)], vec![Sequences::Tokens(vec![1])], "of tokens"),
            (vec![values(&[1.0], 1)], vec![values(&[1.0, 2.0], 2)], "do not fit"),
            (vec![bytes(1)], vec![bytes(1), bytes(1)], "pairs"),
        ] {
            let error = Batch::of(&[example(&a), example(&b)], None).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        assert!(Batch::of(&[], None).is_err());
    }
}
