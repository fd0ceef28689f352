//! The part of a batch that this process has, where several train one model together.
//!
//! Two things in a network go beyond single rows of a batch: batch norm, whose statistics are of all
//! rows, and random numbers, which must be those that one process would draw for them. Both ask here.
//! As long as a training step is [`within`] no shard, a batch is whole.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Result;
use tch::Tensor;

/// The processes that have the other parts. All call the same operations in the same order.
pub trait Peers: Send + Sync {
    /// Replaces `x` by the sum of all.
    ///
    /// # Errors
    /// If another process is lost.
    fn sum(&self, x: &Tensor) -> Result<()>;

    /// `x` of every process, with a first dimension for them, in the same order on all.
    ///
    /// # Errors
    /// If another process is lost.
    fn gather(&self, x: &Tensor) -> Result<Tensor>;
}

/// Some rows of a batch.
#[derive(Clone)]
pub struct Shard {
    /// Which rows of the whole batch they are.
    pub rows: Range<i64>,
    /// Rows of the whole batch.
    pub of: i64,
    /// Who has the others.
    pub peers: Arc<dyn Peers>,
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rows {}..{} of {}", self.rows.start, self.rows.end, self.of)
    }
}

/// Of the process: backward passes may run on other threads of it.
static CURRENT: RwLock<Option<Arc<Shard>>> = RwLock::new(None);

/// From here on training passes of this process are of what [`current`] returned before: where several
/// parts of a batch are worked on by turns.
pub fn resume(shard: Option<Arc<Shard>>) {
    *CURRENT.write().unwrap_or_else(PoisonError::into_inner) = shard;
}

/// While it lives, training passes of this process are of a part of a batch.
#[derive(Debug)]
#[must_use]
pub struct Within(());

impl Drop for Within {
    fn drop(&mut self) {
        resume(None);
    }
}

/// From here on, until the guard is dropped, training passes are of `shard`.
pub fn within(shard: Shard) -> Within {
    resume(Some(Arc::new(shard)));
    Within(())
}

/// The part that training passes are of; `None`: batches are whole.
pub fn current() -> Option<Arc<Shard>> {
    CURRENT.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Random numbers for `rows` rows, the first dimension of what `draw` makes for as many as it is told:
/// those of the whole batch are drawn, and the shard's are taken. They are then those that one process
/// would draw, at the price of drawing as many.
///
/// Rows may be several times those of the batch: all first sequences of pairs, then all second ones.
pub fn draw(rows: i64, draw: impl FnOnce(i64) -> Tensor) -> Tensor {
    let Some(shard) = current() else { return draw(rows) };
    let own = shard.rows.end - shard.rows.start;
    let towers = rows / own.max(1);
    let all = draw(towers * shard.of);
    let mut shape = all.size();
    shape.splice(..1, [towers, shard.of]);
    let part = all.view(shape.as_slice()).narrow(1, shard.rows.start, own);
    part.flatten(0, 1)
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    struct Nobody;

    impl Peers for Nobody {
        fn sum(&self, _: &Tensor) -> Result<()> {
            unreachable!("nothing is summed here")
        }

        fn gather(&self, _: &Tensor) -> Result<Tensor> {
            unreachable!("nothing is gathered here")
        }
    }

    #[test]
    fn what_is_drawn_is_the_shard_s_part_of_what_is_drawn_for_all() {
        let numbers = |rows| draw(rows, |rows| Tensor::arange(rows, (Kind::Int64, Device::Cpu)));
        let found = |rows| Vec::<i64>::try_from(numbers(rows)).unwrap();
        assert_eq!(found(3), [0, 1, 2]);
        let guard = within(Shard { rows: 1..3, of: 5, peers: Arc::new(Nobody) });
        assert_eq!(found(2), [1, 2]);
        assert_eq!(found(4), [1, 2, 6, 7], "pairs");
        drop(guard);
        assert_eq!(found(2), [0, 1]);
    }
}
