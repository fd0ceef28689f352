//! A function of every example.

use std::path::PathBuf;

use anyhow::Result;

use super::{Examples, Split};
use crate::batch::Example;

struct Transform<F> {
    of: Split,
    function: F,
}

impl Split {
    /// Every example as `function` makes it, from its number and itself. The order of lengths, by
    /// which batches are put together, stays that of the originals.
    pub fn transform(
        &self,
        function: impl Fn(usize, Example) -> Result<Example> + Send + Sync + 'static,
    ) -> Self {
        Self::new(Transform { of: self.clone(), function })
    }
}

impl<F: Fn(usize, Example) -> Result<Example> + Send + Sync> Examples for Transform<F> {
    fn len(&self) -> usize {
        self.of.len()
    }

    fn example(&self, index: usize) -> Result<Example> {
        (self.function)(index, self.of.example(index)?)
    }

    fn name(&self, index: usize) -> Option<PathBuf> {
        self.of.name(index)
    }

    fn length(&self, index: usize) -> usize {
        self.of.length(index)
    }

    fn padding(&self) -> Option<f32> {
        self.of.padding()
    }
}

#[cfg(test)]
mod tests {
    use anyhow::ensure;

    use super::super::tests::Counting;
    use super::*;
    use crate::batch::{Labels, Sequences};

    #[test]
    fn examples_are_what_the_function_makes_of_them() {
        let shorter = Split::new(Counting(9)).transform(|index, mut example| {
            ensure!(index > 0, "there is nothing to leave out");
            let Sequences::Tokens(tokens) = &mut example.sequences[0] else { unreachable!() };
            tokens.pop();
            Ok(Example { label: 7.into(), ..example })
        });
        let batch = shorter.batch(&[3, 1]).unwrap();
        assert_eq!(batch.sequences, Sequences::Tokens(vec![3, 3, 0, 0]));
        assert_eq!((batch.lengths, batch.labels), (Some(vec![2, 0]), Labels::Classes(vec![7, 7])));
        assert_eq!((shorter.label(1).unwrap(), shorter.length(3)), (7.into(), 3));
        assert!(shorter.batch(&[0]).unwrap_err().to_string().contains("nothing to leave out"));
    }
}
