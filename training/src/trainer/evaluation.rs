//! Evaluations: when, and what follows from them.

use std::sync::Arc;

use anyhow::{Context, Result, bail};

use super::{Outcome, Trainer};
use crate::adapt::Adapting;
use crate::evaluate::{EvalOptions, Evaluated, Evaluation, evaluate_among};
use crate::objective::Objective;
use crate::seed;
use crate::summary::{BestValue, Summary};
use loader::Dataset;

impl<O: Objective> Trainer<O> {
    pub(super) fn is_at_end(&self) -> bool {
        self.state.step >= self.last_step || self.is_out_of_patience()
    }

    fn is_out_of_patience(&self) -> bool {
        self.config.patience.is_some_and(|most| self.state.evaluations_since_best >= most)
    }

    pub(super) fn evaluation_is_due(&self) -> bool {
        let step = self.state.step;
        self.splits.val.is_some()
            && step > 0
            && self.state.evaluated_at != Some(step)
            && (self.config.eval_every.is_due(step, self.steps_per_epoch) || step >= self.last_step)
    }

    /// Evaluations of the validation split that are to come, and that of the test split.
    pub(super) fn evaluations_left(&self) -> u64 {
        let every = self.config.eval_every.steps(self.steps_per_epoch);
        let val = (self.last_step.div_ceil(every)).saturating_sub(self.state.step / every);
        val * u64::from(self.splits.val.is_some()) + u64::from(self.splits.test.is_some())
    }

    /// Evaluates the validation split and keeps the weights if they are the best so far; `false` if
    /// the user interrupted.
    pub(super) fn evaluate_val(&mut self) -> Result<bool> {
        let Some(val) = self.splits.val.clone() else { return Ok(true) };
        let low_rank = self.adapting.as_ref().map(Adapting::low_rank).unwrap_or_default();
        let _averaged = self.ema.as_ref().map(|ema| ema.swap_in(low_rank)).transpose()?;
        let Some(evaluated) = self.evaluate("val", val)? else { return Ok(false) };
        let Evaluated { evaluation, outputs } = evaluated;
        let best = self.config.best();
        let Some(value) = best.name().and_then(|name| evaluation.get(name)) else {
            let known: Vec<&str> = evaluation.metrics.iter().map(|(name, _)| &**name).collect();
            bail!(
                "train.best.metric is {}, which this model does not report; it reports val/loss \
                 and of val/: {}",
                best.metric,
                known.join(", ")
            );
        };
        let step = self.state.step;
        self.state.evaluated_at = Some(step);
        // Of a model whose loss is NaN, other metrics may be finite all the same.
        let is_finite = evaluation.loss.is_finite();
        let is_best = is_finite && best.improves(value, self.state.best.map(|(value, _)| value));
        if is_best {
            self.state.best = Some((value, step));
            self.state.evaluations_since_best = 0;
        } else {
            self.state.evaluations_since_best += 1;
        }
        let lowered = self.state.schedule.observe(value);
        let note = match (is_finite, is_best) {
            (false, _) => "  never the best: the loss is not finite",
            (true, true) => "  best so far",
            (true, false) => "",
        };
        self.report.evaluation("val", step, &evaluation, note);
        seed::seed_torch(self.config.seed, "inspection", step);
        self.report.inspection(step, &mut self.objective, outputs.as_ref());
        if let Some(factor) = lowered {
            self.report.line(&format!("no improvement: learning rate lowered to {factor} of full"));
        }
        if self.is_out_of_patience() {
            self.report.line(&format!(
                "no improvement in {} evaluations: stopping early",
                self.state.evaluations_since_best
            ));
        }
        self.val = Some(evaluation);
        if is_best {
            self.save_best()?;
        }
        if is_finite && self.config.keep_best > 1 {
            self.keep(value)?;
        }
        self.write_summary(&self.summary(false, None))?;
        Ok(true)
    }

    /// Keeps the weights that came to `value` if they are among the best.
    fn keep(&mut self, value: f64) -> Result<()> {
        let (best, step) = (self.config.best(), self.state.step);
        let kept = &mut self.state.kept;
        let place = kept.iter().position(|&(other, _)| best.improves(value, Some(other)));
        kept.insert(place.unwrap_or(kept.len()), (value, step));
        kept.truncate(self.config.keep_best);
        if kept.iter().any(|&(_, kept)| kept == step) { self.save_kept() } else { Ok(()) }
    }

    fn evaluate(
        &mut self,
        name: &str,
        data: Arc<dyn Dataset<Batch = O::Batch>>,
    ) -> Result<Option<Evaluated>> {
        let options = EvalOptions {
            batch_size: self.config.eval_batch_size(),
            workers: self.config.workers,
            seed: program::seed::derive(self.config.seed, name, self.state.step),
        };
        let report = &mut self.report;
        let on_batch = |done, of| report.evaluating(name, done, of);
        evaluate_among(&self.world, &mut self.objective, data, options, on_batch)
            .with_context(|| format!("evaluating the {name} split"))
    }

    /// Training is over: the test split with the best weights.
    pub(super) fn test(&mut self) -> Result<Outcome> {
        self.load_best()?;
        let mut test = None;
        if let Some(data) = self.splits.test.clone() {
            let evaluated =
                self.evaluate("test", data).map_err(|error| self.to_be_resumed(&error))?;
            let Some(Evaluated { evaluation, .. }) = evaluated else {
                // The last checkpoint is complete; the model has other weights now.
                return Ok(self.outcome_interrupted());
            };
            let note = match self.state.best {
                Some((_, step)) => format!("  with the weights of step {step}"),
                None => String::new(),
            };
            self.report.evaluation("test", self.state.step, &evaluation, &note);
            test = Some(evaluation);
        }
        self.report.completed();
        let summary = self.summary(true, test);
        self.write_summary(&summary)?;
        Ok(Outcome::Finished(Box::new(summary)))
    }

    fn write_summary(&self, summary: &Summary) -> Result<()> {
        self.world.first_does(|| summary.write(self.run.path()))
    }

    fn summary(&self, finished: bool, test: Option<Evaluation>) -> Summary {
        let seconds = self.clock.total();
        let per_s = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        let device = self.objective.params().device();
        Summary {
            finished,
            step: self.state.step,
            epochs: self.state.batches as f64 / self.state.batches_per_epoch as f64,
            train_samples: Some(self.splits.train.len() as u64),
            parameters: self.objective.params().num_parameters(),
            device: format!("{device:?}"),
            best: self.state.best.map(|(value, step)| BestValue {
                metric: self.config.best().metric,
                value,
                step,
            }),
            val: self.val.clone(),
            test,
            seconds,
            steps_per_s: per_s(self.state.step),
            samples_per_s: per_s(self.state.samples),
            peak_mib: crate::memory::peak_mib(device),
        }
    }
}
