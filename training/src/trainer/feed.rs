//! Batches for the training loop, uploaded one ahead.

use std::collections::VecDeque;

use anyhow::{Context, Result};

use crate::objective::Objective;
use loader::prefetch::Prefetch;
use program::panics;

/// Training batches from some position on.
pub(super) struct Feed<O: Objective> {
    batches: Prefetch<O::Batch>,
    /// Those that [`Self::wait_for`] has waited for.
    built: VecDeque<O::Batch>,
    /// The next one, on its way to the device; an error is returned when its turn comes.
    ahead: Option<Result<O::OnDevice>>,
}

impl<O: Objective> Feed<O> {
    pub(super) fn new(batches: Prefetch<O::Batch>) -> Self {
        Self { batches, built: VecDeque::new(), ahead: None }
    }

    /// Waits until the next `count` batches are there, so that a step that has begun does not end for
    /// want of one.
    pub(super) fn wait_for(&mut self, count: usize) -> Result<()> {
        if let Some(ahead) = self.ahead.take() {
            self.ahead = Some(Ok(ahead?));
        }
        while self.built.len() + usize::from(self.ahead.is_some()) < count {
            let batch = self.build()?;
            self.built.push_back(batch);
        }
        Ok(())
    }

    /// Uploads the next batch. Called once the work of a step is queued and before the host waits
    /// for it, so that the next step need not wait for its data.
    pub(super) fn advance(&mut self, objective: &O) {
        if self.ahead.is_none() {
            self.ahead = Some(self.fetch(objective));
        }
    }

    /// The next batch.
    pub(super) fn next(&mut self, objective: &O) -> Result<O::OnDevice> {
        self.ahead.take().unwrap_or_else(|| self.fetch(objective))
    }

    fn fetch(&mut self, objective: &O) -> Result<O::OnDevice> {
        let batch = match self.built.pop_front() {
            Some(batch) => batch,
            None => self.build()?,
        };
        panics::as_errors("the upload of a batch", || objective.upload(&batch))
    }

    fn build(&mut self) -> Result<O::Batch> {
        self.batches.next().context("the training data ended")?
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::sync::Arc;

    use anyhow::ensure;
    use s4_core::params::ParamStore;
    use tch::{Device, Kind};

    use super::*;
    use crate::objective::{Phase, StepOutput};
    use loader::Dataset;
    use loader::sampler::InOrder;

    struct Numbers;

    impl Dataset for Numbers {
        type Batch = usize;

        fn len(&self) -> usize {
            4
        }

        fn batch(&self, indices: &[usize]) -> Result<usize> {
            Ok(indices[0])
        }
    }

    /// Remembers what was uploaded; cannot upload 2.
    struct Uploads {
        params: ParamStore,
        done: RefCell<Vec<usize>>,
    }

    impl Objective for Uploads {
        type Batch = usize;
        type OnDevice = usize;

        fn params(&self) -> &ParamStore {
            &self.params
        }

        fn params_mut(&mut self) -> &mut ParamStore {
            &mut self.params
        }

        fn upload(&self, batch: &usize) -> Result<usize> {
            ensure!(*batch != 2, "2 does not fit");
            self.done.borrow_mut().push(*batch);
            Ok(*batch)
        }

        fn step(&mut self, _: &usize, _: Phase) -> Result<StepOutput> {
            unreachable!("nothing is run here")
        }
    }

    #[test]
    fn one_batch_is_uploaded_ahead_and_its_error_waits_for_its_turn() {
        let params = ParamStore::new(Device::Cpu, Kind::Float);
        let objective = Uploads { params, done: RefCell::default() };
        let batches = Prefetch::new(Arc::new(Numbers), Arc::new(InOrder::new(4, 1)), 0, 1).unwrap();
        let mut feed: Feed<Uploads> = Feed::new(batches);
        assert_eq!(feed.next(&objective).unwrap(), 0);
        feed.advance(&objective);
        feed.advance(&objective);
        assert_eq!(*objective.done.borrow(), [0, 1], "one ahead, and one only");
        assert_eq!(feed.next(&objective).unwrap(), 1);
        feed.advance(&objective);
        assert_eq!(feed.next(&objective).unwrap_err().to_string(), "2 does not fit");
        assert_eq!(feed.next(&objective).unwrap(), 3);
        feed.advance(&objective);
        let error = feed.next(&objective).unwrap_err().to_string();
        assert_eq!(error, "the training data ended");
    }
}
