//! One step.

use anyhow::Result;
use transformations::content::Kind;

use super::{Attack, Attacked, Loss, VALUES, Victim};

/// The fast gradient sign method (Goodfellow et al. 2015): one step of full size.
pub struct Fgsm;

impl Attack for Fgsm {
    fn name(&self) -> &'static str {
        "fgsm"
    }

    fn about(&self) -> &'static str {
        "one step of full size along the gradient's signs"
    }

    fn kinds(&self) -> &'static [Kind] {
        VALUES
    }

    fn passes(&self, _: usize) -> usize {
        3
    }

    fn run(&self, victim: &Victim<'_>) -> Result<Attacked> {
        let ball = victim.ball()?;
        let slope = victim.slope(&victim.inputs, &ball.clean, Loss::CrossEntropy)?;
        let x = ball.project(&(&ball.clean + slope.gradient.sign() * &ball.radius));
        Ok(Attacked { x, flat: Some(slope.flat()) })
    }
}
