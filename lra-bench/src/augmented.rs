//! Training examples with changed copies of them (`data.augment`).

use std::path::PathBuf;

use anyhow::{Result, ensure};
use datasets::batch::{Example, Label};
use datasets::section::Augment;
use datasets::split::{Examples, Split};
use transformations::content::{Codec, Content};
use transformations::{Effect, Severity, Transformation, seed};

/// Other examples that a transformation may mix in.
const OTHERS: usize = 16;

/// The examples of `of` as they are, followed by a copy of all for each of `changes` at each of its
/// severities. Each copy is the same in every epoch, so that a resumed run meets it again.
///
/// # Errors
/// If there is no such transformation, it is not for this data, or an example cannot be read.
pub(crate) fn split(of: Split, codec: Codec, changes: &[Augment], seed: u64) -> Result<Split> {
    let mut copies = Vec::new();
    for change in changes {
        let found = transformations::find(&change.name)?;
        ensure!(
            found.kinds().contains(&codec.kind()),
            "the transformation `{}` is not for {}; `robustness list` shows what is",
            change.name,
            codec.kind()
        );
        for &severity in &change.severities {
            copies.push((found, Severity::new(severity)?));
        }
    }
    let few = OTHERS.min(of.len());
    let others = (0..few).map(|index| codec.decode(&of.example(index)?)).collect::<Result<_>>()?;
    Ok(Split::new(Augmented { of, codec, copies, others, seed }))
}

struct Augmented {
    of: Split,
    codec: Codec,
    copies: Vec<(&'static dyn Transformation, Severity)>,
    others: Vec<Content>,
    seed: u64,
}

impl Augmented {
    /// The copy, if it is one, and the original.
    fn place(&self, index: usize) -> (Option<(&'static dyn Transformation, Severity)>, usize) {
        let (copy, index) = (index / self.of.len(), index % self.of.len());
        (copy.checked_sub(1).map(|copy| self.copies[copy]), index)
    }
}

impl Examples for Augmented {
    fn len(&self) -> usize {
        self.of.len() * (1 + self.copies.len())
    }

    fn example(&self, index: usize) -> Result<Example> {
        let (copy, index) = self.place(index);
        let example = self.of.example(index)?;
        let Some((transformation, severity)) = copy else { return Ok(example) };
        let content = self.codec.decode(&example)?;
        let mut random = seed::random(self.seed, transformation.name(), severity, index);
        let label = &example.label;
        let changed = transformation.apply(&content, label, severity, &mut random, &self.others);
        // Most often there is nothing to change.
        let Ok(changed) = changed else { return Ok(example) };
        let sequences = self.codec.encode(&changed.content, &example)?;
        Ok(Example { sequences, label: changed.label })
    }

    fn label(&self, index: usize) -> Result<Label> {
        match self.place(index) {
            (Some((change, _)), _) if change.effect() == Effect::Recomputed => {
                Ok(self.example(index)?.label)
            }
            (_, index) => self.of.label(index),
        }
    }

    fn name(&self, index: usize) -> Option<PathBuf> {
        self.of.name(self.place(index).1)
    }

    fn length(&self, index: usize) -> usize {
        self.of.length(self.place(index).1)
    }

    fn padding(&self) -> Option<f32> {
        self.of.padding()
    }
}

#[cfg(test)]
mod tests {
    use datasets::batch::Sequences;
    use datasets::medium::Medium;

    use super::*;

    struct Series;

    impl Examples for Series {
        fn len(&self) -> usize {
            3
        }

        fn example(&self, index: usize) -> Result<Example> {
            let values = (0..20).map(|i| (index + i) as f32).collect();
            let sequences = vec![Sequences::Values { values, features: 1 }];
            Ok(Example { sequences, label: (index as i64).into() })
        }
    }

    fn of(name: &str, severities: &[u8]) -> Result<Split> {
        let codec = Codec::new(&Medium::Series, None)?;
        let change = Augment { name: name.to_owned(), severities: severities.to_vec() };
        split(Split::new(Series), codec, &[change], 0)
    }

    #[test]
    fn copies_follow_the_originals_and_stay_the_same() {
        let split = of("sensor-noise", &[1, 5]).unwrap();
        assert_eq!(split.len(), 9);
        for index in 0..9 {
            let (one, again) = (split.example(index).unwrap(), split.example(index).unwrap());
            assert_eq!(one, again);
            assert_eq!(one.label, (index as i64 % 3).into());
            assert_eq!(one == Series.example(index % 3).unwrap(), index < 3);
        }
        assert_ne!(split.example(3).unwrap(), split.example(6).unwrap());
    }

    #[test]
    fn mistakes_are_named() {
        for (name, severities, words) in [
            ("nois", &[1][..], "no transformation `nois`"),
            ("typos", &[1], "not for series"),
            ("drift", &[6], "there are 1 to 5"),
        ] {
            let error = of(name, severities).map(|split| split.len()).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
