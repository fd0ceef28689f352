//! One optimiser step.

use anyhow::{Context, Error, Result};
use s4_core::state_dict::StateDict;
use tch::{Kind, Tensor};

use super::Trainer;
use super::feed::Feed;
use super::report::{Lap, Norms};
use crate::guard::Divergence;
use crate::objective::Objective;
use crate::optim::{clip_grad_norm, clip_grad_value};
use crate::seed::seed_torch;
use program::panics;

impl<O: Objective> Trainer<O> {
    /// Makes the next step. Only every `log_every` steps the host waits for the device: to report,
    /// and to look for divergence before the step is made.
    pub(super) fn train_step(&mut self, batches: &mut Feed<O>) -> Result<Option<Divergence>> {
        let step = self.state.step;
        let is_reported =
            (step + 1).is_multiple_of(self.config.log_every) || step + 1 == self.last_step;
        self.objective.params().zero_grad();
        if let Some(adapting) = &self.adapting {
            adapting.before(step)?;
        }
        let mut loss = None;
        let mut samples = 0;
        for part in 1..=self.config.accumulate {
            let batch = batches.next(&self.objective).map_err(|error| self.out_of_memory(error))?;
            if !self.sampler.continues(self.state.batches) {
                self.objective.carry(StateDict::new())?;
            }
            let share = self.share(&batch)?;
            let weight = share.as_ref().map_or(1.0, |share| share.weight);
            if let (Some(buckets), true) = (&self.buckets, part == self.config.accumulate) {
                buckets.begin()?;
            }
            seed_torch(self.config.seed, "step", self.state.batches);
            let output = panics::as_errors("the model", || self.forward_backward(batch, weight))
                .map_err(|error| self.out_of_memory(error))
                .with_context(|| format!("training step {}", step + 1))?;
            self.meters.add(&output)?;
            let of_all = share.map_or(output.samples, |share| share.samples);
            samples += u64::try_from(of_all)
                .with_context(|| format!("the model counted {of_all} samples"))?;
            let batch_loss = output.loss.detach().f_to_kind(Kind::Double)? * weight;
            loss = Some(match loss {
                None => batch_loss,
                Some(sum) => batch_loss.f_add(&sum)?,
            });
            self.state.batches += 1;
            if self.state.batches < self.last_step * self.config.accumulate as u64 {
                batches.advance(&self.objective);
            }
        }
        // Of what is trained, which is what all processes sum.
        if let Some(adapting) = &self.adapting {
            adapting.project()?;
        }
        let loss = self.sum_gradients(&loss.context("accumulate is at least 1")?)?;

        self.guard.check(step + 1, &loss, self.objective.params())?;
        if is_reported && let Some(divergence) = self.guard.read(self.objective.params())? {
            return Ok(Some(divergence));
        }
        let clip_norm = self.config.optimizer.clip_norm;
        let grad_norm = match clip_norm {
            None if !is_reported => None,
            limit => clip_grad_norm(self.optimizer.parameters(), limit.unwrap_or(f64::INFINITY))?,
        };
        if let Some(limit) = self.config.optimizer.clip_value {
            clip_grad_value(self.optimizer.parameters(), limit)?;
        }
        let factor = self.lr_factor();
        let before = is_reported.then(|| self.optimizer.flat()).transpose()?;
        self.optimizer.step(factor)?;
        if let Some(adapting) = &self.adapting {
            adapting.fold()?;
        }
        self.state.step += 1;
        self.state.samples += samples;
        if let Some(ema) = &mut self.ema {
            ema.update(self.state.step)?;
        }
        self.clock.step(samples);
        self.report.step(self.state.step);
        if let Some(before) = before {
            self.report_lap(factor, grad_norm, &before)?;
        }
        Ok(None)
    }

    /// What every base learning rate is multiplied by in the next step.
    fn lr_factor(&self) -> f64 {
        let scale = self.config.on_divergence.lr_scale_after(self.state.rollbacks);
        self.state.schedule.factor(self.state.step) * scale
    }

    /// Reports the steps since the last report, of which the last one found the parameters as they
    /// are in `before`. Waits for the device.
    fn report_lap(
        &mut self,
        factor: f64,
        grad_norm: Option<Tensor>,
        before: &Tensor,
    ) -> Result<()> {
        let Some(means) = self.meters.take(&self.world)? else { return Ok(()) };
        let after = self.optimizer.flat()?;
        self.check_parameters(&after)?;
        let norms = Norms {
            grad: grad_norm.map_or(Ok(0.0), f64::try_from)?,
            weight: f64::try_from(after.f_norm()?)?,
            update: f64::try_from(after.f_sub(before)?.f_norm()?)?,
        };
        let throughput = self.clock.lap();
        self.report.training(&Lap {
            step: self.state.step,
            epoch: 1 + (self.state.batches - 1) / self.state.batches_per_epoch,
            means,
            lr: self.config.optimizer.lr * factor,
            own_rates: self.optimizer.own_rates(factor),
            norms,
            throughput,
            evaluations_left: self.evaluations_left(),
        });
        Ok(())
    }

    /// Adds what to do about it, if `error` says that the device's memory is full.
    pub(super) fn out_of_memory(&self, error: Error) -> Error {
        if !format!("{error:#}").contains("out of memory") {
            return error;
        }
        error.context(format!(
            "the device's memory is full; set model.recompute = true, which takes more time for less \
             memory, or lower train.batch_size (now {}) and raise train.accumulate (now {}) to keep \
             the samples of a step",
            self.config.batch_size, self.config.accumulate
        ))
    }
}
