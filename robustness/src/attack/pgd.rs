//! Many small steps.

use anyhow::Result;
use transformations::content::Kind;

use super::search::Search;
use super::{Attack, Attacked, Loss, VALUES, Victim};

/// Projected gradient descent (Madry et al. 2018): from a random point, steps along the gradient's signs.
pub struct Pgd;

/// A step, as a share of the budget: 2/255 of 8/255, as on CIFAR-10.
const STEP: f64 = 0.25;

impl Attack for Pgd {
    fn name(&self) -> &'static str {
        "pgd"
    }

    fn about(&self) -> &'static str {
        "steps of a quarter of the budget from a random point"
    }

    fn kinds(&self) -> &'static [Kind] {
        VALUES
    }

    fn steps(&self) -> Option<usize> {
        Some(20)
    }

    fn passes(&self, steps: usize) -> usize {
        3 * (steps + 1)
    }

    fn run(&self, victim: &Victim<'_>) -> Result<Attacked> {
        let mut search = Search::new(victim);
        let mut ball = victim.ball()?;
        let lengths = victim.inputs.valid_lengths();
        let mut x = ball.point(&lengths, &mut victim.generators(self.name()));
        let mut flat = None;
        for _ in 0..=victim.steps {
            let slope = victim.slope(&search.inputs, &x, Loss::CrossEntropy)?;
            flat = flat.or_else(|| Some(slope.flat()));
            let kept = search.note(&x, &slope.logits, &slope.loss)?;
            if search.is_done() {
                break;
            }
            ball = ball.rows(&kept);
            let step = slope.gradient.index_select(0, &kept).sign() * &ball.radius * STEP;
            x = ball.project(&(x.index_select(0, &kept) + step));
        }
        Ok(Attacked { x: search.into_best(), flat })
    }
}
