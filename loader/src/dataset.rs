//! What the trainer asks of data.

use std::ops::Range;

use anyhow::Result;

/// A split of a data set that builds its batches on demand.
///
/// Batches are plain data (`Vec`s), built on worker threads; the model's step turns them into
/// tensors on its device.
pub trait Dataset: Send + Sync {
    /// Whatever the model's step wants.
    type Batch: Send + 'static;

    /// Number of samples.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether each sample continues the one before, as the pieces of a long text or series do. Then
    /// batches are parallel [streams](crate::streams::Streams), in training and evaluation, and a
    /// model may carry its state from one to the next. A batch may say of its own where a document
    /// begins within a stream.
    fn is_stream(&self) -> bool {
        false
    }

    /// How long sample `index` is, where samples differ: training batches are put together from
    /// samples of similar length, so that little is spent on padding. Streams pass it over.
    fn length(&self, index: usize) -> usize {
        let _ = index;
        1
    }

    /// The batch made of the samples `indices`, in that order.
    ///
    /// # Errors
    /// If a sample cannot be read or does not fit; the message need not name the sample, as the
    /// caller does.
    fn batch(&self, indices: &[usize]) -> Result<Self::Batch>;

    /// The rows `rows` of the batch made of the samples `indices`, exactly as they are in it, for a
    /// process that has a part of each batch. As it stands, the batch of these samples alone: right
    /// wherever samples have nothing to do with each other. Where all are padded to the longest of
    /// them, that is to be done here too.
    ///
    /// # Errors
    /// As [`Self::batch`].
    fn rows(&self, indices: &[usize], rows: Range<usize>) -> Result<Self::Batch> {
        self.batch(&indices[rows])
    }
}
