//! Tensors as a file describes them, and their elements.

use anyhow::{Context, Result, bail, ensure};

use crate::dtype::Dtype;

/// The elements of a view may be this many more than its storage has, by strides of 0: a file of a few
/// bytes cannot ask for terabytes.
const MOST_REPEATED: usize = 1 << 24;

/// A place in a file that elements lie in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Storage {
    /// Its name in the file.
    pub key: String,
    pub dtype: Dtype,
    /// Number of elements.
    pub len: usize,
}

/// A tensor in a file: a view of one of its storages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorView {
    pub(crate) storage: Storage,
    offset: usize,
    shape: Vec<usize>,
    stride: Vec<usize>,
}

/// A tensor's elements, contiguous and little-endian.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawTensor {
    /// What they are.
    pub dtype: Dtype,
    /// Sizes of the dimensions.
    pub shape: Vec<usize>,
    /// As many bytes as elements of this shape have.
    pub bytes: Vec<u8>,
}

impl TensorView {
    /// The view of `storage` that begins with element `offset`.
    ///
    /// # Errors
    /// If it reaches beyond the storage, or a number is none that it may be.
    pub(crate) fn new(
        storage: Storage,
        offset: i64,
        shape: &[i64],
        stride: &[i64],
    ) -> Result<Self> {
        ensure!(
            shape.len() == stride.len(),
            "it has {} sizes and {} strides",
            shape.len(),
            stride.len()
        );
        let natural = |numbers: &[i64], what: &str| -> Result<Vec<usize>> {
            let one =
                |&n: &i64| usize::try_from(n).ok().with_context(|| format!("its {what} is {n}"));
            numbers.iter().map(one).collect()
        };
        let offset = natural(&[offset], "storage offset")?[0];
        let (shape, stride) = (natural(shape, "size")?, natural(stride, "stride")?);
        let product = |mut sizes: std::slice::Iter<usize>| {
            sizes.try_fold(1usize, |product, &size| product.checked_mul(size))
        };
        let count = if shape.contains(&0) { Some(0) } else { product(shape.iter()) };
        let count = count.with_context(|| format!("its shape {shape:?} has too many elements"))?;
        if count > 0 {
            let steps = shape.iter().zip(&stride);
            let last = steps.map(|(&size, &stride)| (size - 1).checked_mul(stride));
            let last = last.into_iter().try_fold(offset, |last, step| last.checked_add(step?));
            ensure!(
                last.is_some_and(|last| last < storage.len),
                "its shape {shape:?}, strides {stride:?} and offset {offset} reach beyond the {} \
                 elements of its storage",
                storage.len
            );
        }
        ensure!(
            count <= storage.len || count - storage.len <= MOST_REPEATED,
            "its shape {shape:?} repeats a storage of {} elements far too often",
            storage.len
        );
        Ok(Self { storage, offset, shape, stride })
    }

    /// What its elements are.
    pub fn dtype(&self) -> Dtype {
        self.storage.dtype
    }

    /// Sizes of its dimensions.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its elements, out of the bytes of its storage.
    pub(crate) fn gather(&self, storage: &[u8]) -> Result<RawTensor> {
        let dtype = self.dtype();
        let width = dtype.size();
        if storage.len() / width != self.storage.len || !storage.len().is_multiple_of(width) {
            bail!(
                "storage {} has {} bytes and not {} elements of {width}",
                self.storage.key,
                storage.len(),
                self.storage.len
            );
        }
        let count: usize = self.shape.iter().product();
        let mut bytes = Vec::with_capacity(count * width);
        if count > 0 {
            let mut index = vec![0; self.shape.len()];
            let mut at = self.offset;
            'elements: loop {
                bytes.extend_from_slice(&storage[at * width..(at + 1) * width]);
                for dim in (0..index.len()).rev() {
                    index[dim] += 1;
                    at += self.stride[dim];
                    if index[dim] < self.shape[dim] {
                        continue 'elements;
                    }
                    at -= index[dim] * self.stride[dim];
                    index[dim] = 0;
                }
                break;
            }
        }
        Ok(RawTensor { dtype, shape: self.shape.clone(), bytes })
    }
}
