//! Some of a split's examples.

use anyhow::{Result, ensure};

use super::{Examples, Split};
use crate::batch::Example;

struct Subset {
    of: Split,
    indices: Vec<usize>,
}

impl Split {
    /// The examples `indices`, in that order; one may occur several times.
    ///
    /// # Errors
    /// If there is no example of one of these numbers.
    pub fn subset(&self, indices: impl IntoIterator<Item = usize>) -> Result<Self> {
        let indices: Vec<usize> = indices.into_iter().collect();
        if let Some(largest) = indices.iter().max() {
            ensure!(*largest < self.len(), "a subset asks for example {largest} of {}", self.len());
        }
        Ok(Self::new(Subset { of: self.clone(), indices }))
    }
}

impl Examples for Subset {
    fn len(&self) -> usize {
        self.indices.len()
    }

    fn example(&self, index: usize) -> Result<Example> {
        self.of.example(self.indices[index])
    }

    fn label(&self, index: usize) -> Result<i64> {
        self.of.label(self.indices[index])
    }

    fn length(&self, index: usize) -> usize {
        self.of.length(self.indices[index])
    }

    fn padding(&self) -> Option<f32> {
        self.of.padding()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Counting;
    use super::*;

    #[test]
    fn examples_come_in_the_order_asked_for() {
        let all = Split::new(Counting(9));
        let some = all.subset([5, 2, 5]).unwrap();
        assert_eq!((some.len(), some.length(1), some.label(0).unwrap()), (3, 2, 2));
        assert_eq!(some.batch(&[0, 1]).unwrap(), all.batch(&[5, 2]).unwrap());
        let message = all.subset([0, 9]).err().unwrap().to_string();
        assert!(message.contains("example 9 of 9"), "{message}");
    }
}
