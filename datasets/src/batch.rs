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

/// What is right of an example: what a model is to say of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Label {
    /// Its class.
    Class(i64),
    /// A value for each target, in the targets' own units.
    Values(Vec<f64>),
    /// A token at each of its last positions.
    LastTokens(Vec<i64>),
    /// The next token at every position: the sequence itself, which has one more than is asked for.
    Next,
}

impl<C: Into<i64>> From<C> for Label {
    fn from(class: C) -> Self {
        Self::Class(class.into())
    }
}

/// The labels of some examples.
#[derive(Debug, Clone, PartialEq)]
pub enum Labels {
    /// The class of each, (B).
    Classes(Vec<i64>),
    /// The values of each, (B, targets).
    Values {
        /// All values, those of an example next to each other.
        values: Vec<f64>,
        /// Values per example.
        targets: usize,
    },
    /// The tokens at the last positions of each, (B, positions).
    LastTokens {
        /// All tokens, those of an example next to each other.
        tokens: Vec<i64>,
        /// Tokens per example.
        positions: usize,
    },
    /// The next token at every position of each.
    Next,
}

/// One example.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Its sequence, or the two that are compared.
    pub sequences: Vec<Sequences>,
    /// What is right of it.
    pub label: Label,
}

impl Example {
    /// Tokens of its sequence that are given and not asked for: what stands before the first.
    pub fn given(&self) -> usize {
        usize::from(self.label == Label::Next)
    }
}

/// Examples.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The inputs, all padded to `length`. Pairs: all first sequences, then all second ones.
    pub sequences: Sequences,
    /// Positions per sequence, L.
    pub length: usize,
    /// Valid positions of each sequence; `None`: all.
    pub lengths: Option<Vec<i64>>,
    /// What is right of each example.
    pub labels: Labels,
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

/// What labels of different kinds, or of different lengths, are refused with.
const APART: &str = "classes, values of targets, last tokens and next tokens do not fit into one batch, nor as many of one \
     example as of another";

/// All of them one after the other, and how many are of each.
fn together<'a, T: Copy + 'a>(
    each: impl Iterator<Item = &'a Vec<T>> + Clone,
) -> Result<(Vec<T>, usize)> {
    let count = each.clone().next().map_or(0, Vec::len);
    ensure!(each.clone().all(|its| its.len() == count), APART);
    Ok((each.flatten().copied().collect(), count))
}

impl Labels {
    fn of<'a>(labels: impl Iterator<Item = &'a Label> + Clone) -> Result<Self> {
        let classes = labels.clone().map(|label| match label {
            Label::Class(class) => Some(*class),
            _ => None,
        });
        if let Some(classes) = classes.collect() {
            return Ok(Self::Classes(classes));
        }
        if labels.clone().all(|label| *label == Label::Next) {
            return Ok(Self::Next);
        }
        let tokens = labels.clone().map(|label| match label {
            Label::LastTokens(tokens) => Some(tokens),
            _ => None,
        });
        if let Some(tokens) = tokens.collect::<Option<Vec<_>>>() {
            let (tokens, positions) = together(tokens.into_iter())?;
            return Ok(Self::LastTokens { tokens, positions });
        }
        let values = labels.map(|label| match label {
            Label::Values(values) => Some(values),
            _ => None,
        });
        let values: Option<Vec<_>> = values.collect();
        let (values, targets) = together(values.context(APART)?.into_iter())?;
        Ok(Self::Values { values, targets })
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
        bytes.extend(self.lengths.iter().flatten().flat_map(|length| length.to_le_bytes()));
        match &self.labels {
            Labels::Classes(numbers) | Labels::LastTokens { tokens: numbers, .. } => {
                bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
            }
            Labels::Values { values, .. } => {
                bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            }
            Labels::Next => {}
        }
        bytes
    }

    /// Puts examples together. Shorter sequences are filled up with `padding`; where that is
    /// `None`, all must be of one length.
    ///
    /// # Errors
    /// If there are no examples, or their sequences or labels are of different kinds, or of different
    /// lengths that are not to be filled up.
    pub fn of(examples: &[Example], padding: Option<f32>) -> Result<Self> {
        Self::of_length(examples, padding, 0)
    }

    /// As [`Self::of`], filled up to at least `length` positions where there is a `padding`.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn of_length(examples: &[Example], padding: Option<f32>, length: usize) -> Result<Self> {
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
        let least = if padding.is_some() { length } else { 0 };
        let length = lengths.iter().copied().max().unwrap_or(0).max(least);
        if let (None, Some(other)) = (padding, lengths.iter().find(|&&other| other != length)) {
            bail!("sequences of {other} and of {length} positions do not fit into one batch");
        }
        let mut sequences = rows[0].empty_like(rows.len() * length);
        for row in rows {
            sequences.push(row, length, padding.unwrap_or(0.0))?;
        }
        let lengths = padding.map(|_| lengths.into_iter().map(|length| length as i64).collect());
        let labels = Labels::of(examples.iter().map(|example| &example.label))?;
        Ok(Self { sequences, length, lengths, labels })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(sequences: &[Sequences]) -> Example {
        Example { sequences: sequences.to_vec(), label: Label::Class(sequences.len() as i64) }
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
        let labelled = |label| Example { sequences: vec![bytes(1)], label };
        let of = |a, b| Batch::of(&[labelled(a), labelled(b)], None);
        assert!(of(Label::Class(1), Label::Values(vec![0.5])).is_err());
        assert!(of(Label::Values(vec![1.0, 2.0]), Label::Values(vec![0.5])).is_err());
        assert!(of(Label::LastTokens(vec![1, 2]), Label::LastTokens(vec![3])).is_err());
        assert!(of(Label::LastTokens(vec![1]), Label::Next).is_err());
    }

    #[test]
    fn labels_leave_their_bytes() {
        let of = |labels: [Label; 2]| {
            let sequences = vec![Sequences::Bytes(vec![7])];
            let examples = labels.map(|label| Example { sequences: sequences.clone(), label });
            Batch::of(&examples, Some(0.0)).unwrap()
        };
        let classes = of([Label::Class(3), Label::Class(-1)]);
        assert_eq!(classes.labels, Labels::Classes(vec![3, -1]));
        // Runs keep fingerprints of these.
        let numbers = [1i64, 1, 3, -1].iter().flat_map(|number| number.to_le_bytes());
        assert!(classes.bytes().into_iter().eq([7, 7].into_iter().chain(numbers)));

        let values = of([Label::Values(vec![0.5, 2.0]), Label::Values(vec![1.5, 3.0])]);
        let expected = vec![0.5, 2.0, 1.5, 3.0];
        assert_eq!(values.labels, Labels::Values { values: expected.clone(), targets: 2 });
        let expected: Vec<u8> =
            expected.iter().flat_map(|value: &f64| value.to_le_bytes()).collect();
        assert!(values.bytes().ends_with(&expected));

        let last = of([Label::LastTokens(vec![3, 4]), Label::LastTokens(vec![5, 6])]);
        let tokens = vec![3, 4, 5, 6];
        let expected: Vec<u8> = tokens.iter().flat_map(|token: &i64| token.to_le_bytes()).collect();
        assert!(last.bytes().ends_with(&expected));
        assert_eq!(last.labels, Labels::LastTokens { tokens, positions: 2 });
    }
}
