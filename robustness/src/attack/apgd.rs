//! Steps that find their own size.

use anyhow::Result;
use tch::{Kind as Float, Tensor};
use transformations::content::Kind;

use super::search::Search;
use super::victim::Slope;
use super::{Attack, Attacked, Ball, Loss, VALUES, Victim};

/// Auto-PGD (Croce and Hein 2020): steps with momentum, which are halved, from the best point on, where they
/// no longer help.
pub struct Apgd(pub Loss);

/// Share of the new step in a step; the rest is the one before.
const MOMENTUM: f64 = 0.75;
/// Share of the steps between two checkpoints that must raise the loss.
const RAISED: f64 = 0.75;

/// After how many of `steps` steps their size is looked at: first after 22% of them, then at intervals that
/// shrink by 3% down to 6%.
pub fn checkpoints(steps: usize) -> Vec<usize> {
    let share = |percent: usize| (steps * percent / 100).max(1);
    let (mut interval, mut next, mut all) = (share(22), share(22), Vec::new());
    while next <= steps {
        all.push(next);
        interval = interval.saturating_sub(share(3)).max(share(6));
        next += interval;
    }
    all
}

/// Where the examples that stand are; a row each.
struct State {
    x: Tensor,
    last: Tensor,
    gradient: Tensor,
    /// (n, 1, 1).
    step: Tensor,
    loss: Tensor,
    /// The best so far.
    best: Tensor,
    best_gradient: Tensor,
    best_loss: Tensor,
    /// Steps since the last checkpoint that raised the loss.
    raised: Tensor,
    /// At the last checkpoint, the best loss, and whether the step was halved.
    best_before: Tensor,
    halved: Tensor,
}

impl State {
    fn at(x: &Tensor, slope: &Slope, ball: &Ball) -> Self {
        let none = slope.loss.zeros_like();
        Self {
            x: x.shallow_clone(),
            last: x.shallow_clone(),
            gradient: slope.gradient.shallow_clone(),
            step: &ball.radius * 2.0,
            loss: slope.loss.shallow_clone(),
            best: x.shallow_clone(),
            best_gradient: slope.gradient.shallow_clone(),
            best_loss: slope.loss.shallow_clone(),
            raised: none.shallow_clone(),
            best_before: slope.loss.shallow_clone(),
            halved: none.to_kind(Float::Bool),
        }
    }

    fn keep(&mut self, kept: &Tensor) {
        for tensor in [
            &mut self.x,
            &mut self.last,
            &mut self.gradient,
            &mut self.step,
            &mut self.loss,
            &mut self.best,
            &mut self.best_gradient,
            &mut self.best_loss,
            &mut self.raised,
            &mut self.best_before,
            &mut self.halved,
        ] {
            *tensor = tensor.index_select(0, kept);
        }
    }

    /// The next point.
    fn step(&self, ball: &Ball, is_first: bool) -> Tensor {
        let straight = ball.project(&(&self.x + self.gradient.sign() * &self.step));
        if is_first {
            return straight;
        }
        let (ahead, before) = (straight - &self.x, &self.x - &self.last);
        ball.project(&(&self.x + ahead * MOMENTUM + before * (1.0 - MOMENTUM)))
    }

    fn moved(&mut self, x: &Tensor, slope: &Slope) {
        self.last = std::mem::replace(&mut self.x, x.shallow_clone());
        self.gradient = slope.gradient.shallow_clone();
        self.raised += slope.loss.gt_tensor(&self.loss).to_kind(Float::Double);
        self.loss = slope.loss.shallow_clone();
        let better = slope.loss.gt_tensor(&self.best_loss);
        let wide = better.view([-1, 1, 1]);
        self.best = x.where_self(&wide, &self.best);
        self.best_gradient = slope.gradient.where_self(&wide, &self.best_gradient);
        self.best_loss = slope.loss.where_self(&better, &self.best_loss);
    }

    /// Halves steps that did not help over the last `interval` ones, and goes back to the best point.
    fn check(&mut self, interval: usize) {
        let few = self.raised.lt(RAISED * interval as f64);
        let stuck =
            self.halved.logical_not().logical_and(&self.best_loss.le_tensor(&self.best_before));
        self.halved = few.logical_or(&stuck);
        let wide = self.halved.view([-1, 1, 1]);
        self.step = (&self.step * 0.5).where_self(&wide, &self.step);
        self.x = self.best.where_self(&wide, &self.x);
        self.gradient = self.best_gradient.where_self(&wide, &self.gradient);
        self.raised = self.raised.zeros_like();
        self.best_before = self.best_loss.shallow_clone();
    }
}

impl Attack for Apgd {
    fn name(&self) -> &'static str {
        match self.0 {
            Loss::Dlr => "apgd-dlr",
            _ => "apgd-ce",
        }
    }

    fn about(&self) -> &'static str {
        match self.0 {
            Loss::Dlr => "steps that find their size; difference of logits ratio",
            _ => "steps that find their size; cross-entropy",
        }
    }

    fn kinds(&self) -> &'static [Kind] {
        match self.0 {
            // Paths are of two classes.
            Loss::Dlr => &[Kind::Picture, Kind::Sound, Kind::Series],
            _ => VALUES,
        }
    }

    fn steps(&self) -> Option<usize> {
        Some(100)
    }

    fn passes(&self, steps: usize) -> usize {
        3 * (steps + 1)
    }

    fn min_classes(&self) -> usize {
        if self.0 == Loss::Dlr { 4 } else { 2 }
    }

    fn run(&self, victim: &Victim<'_>) -> Result<Attacked> {
        let mut search = Search::new(victim);
        let mut ball = victim.ball()?;
        let lengths = victim.inputs.valid_lengths();
        let x = ball.point(&lengths, &mut victim.generators(self.name()));
        let slope = victim.slope(&search.inputs, &x, self.0)?;
        let flat = Some(slope.flat());
        let mut state = State::at(&x, &slope, &ball);
        let mut kept = search.note(&x, &slope.logits, &slope.loss)?;
        let checkpoints = checkpoints(victim.steps);
        let mut last_check = 0;
        for step in 1..=victim.steps {
            if search.is_done() {
                break;
            }
            state.keep(&kept);
            ball = ball.rows(&kept);
            let x = state.step(&ball, step == 1);
            let slope = victim.slope(&search.inputs, &x, self.0)?;
            state.moved(&x, &slope);
            kept = search.note(&x, &slope.logits, &slope.loss)?;
            if checkpoints.contains(&step) {
                state.check(step - last_check);
                last_check = step;
            }
        }
        Ok(Attacked { x: search.into_best(), flat })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_the_published_ones() {
        // ceil(p N) of p = 0.22, 0.41, 0.57, 0.70, 0.80, 0.87, 0.93, 0.99.
        assert_eq!(checkpoints(100), [22, 41, 57, 70, 80, 87, 93, 99]);
        assert_eq!(checkpoints(1), [1]);
        assert!(checkpoints(0).is_empty());
    }
}
