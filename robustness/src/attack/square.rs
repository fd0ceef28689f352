//! No gradients.

use anyhow::Result;
use rand::Rng;
use tch::{Kind as Float, Tensor};
use transformations::content::Kind;

use super::search::Search;
use super::{Attack, Attacked, Loss, VALUES, Victim};

/// Square (Andriushchenko et al. 2020): tries perturbations at random places and keeps those that raise the
/// margin loss. What is a square of a picture there is an interval of the sequence here, of as many
/// positions, pictures included: what a model of sequences sees is the sequence.
pub struct Square;

/// Share of the positions that the first intervals cover.
const FIRST: f64 = 0.8;
/// Queries of 10,000 after which the share is halved.
const HALVED: [usize; 9] = [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000];

/// Share of the positions that an interval covers at query `query` of `queries`.
pub fn share(query: usize, queries: usize) -> f64 {
    let place = query * 10_000 / queries.max(1);
    let halved = HALVED.iter().filter(|&&limit| place > limit).count();
    FIRST / f64::from(1u32 << halved)
}

impl Attack for Square {
    fn name(&self) -> &'static str {
        "square"
    }

    fn about(&self) -> &'static str {
        "random intervals of the sequence; no gradients"
    }

    fn kinds(&self) -> &'static [Kind] {
        VALUES
    }

    fn steps(&self) -> Option<usize> {
        Some(5000)
    }

    fn passes(&self, steps: usize) -> usize {
        steps
    }

    fn uses_gradients(&self) -> bool {
        false
    }

    fn run(&self, victim: &Victim<'_>) -> Result<Attacked> {
        let mut search = Search::new(victim);
        let ball = victim.ball()?;
        let lengths = victim.inputs.valid_lengths();
        let features = ball.clean.size()[2] as usize;
        let mut generators = victim.generators(self.name());
        // Stripes to begin with: the rows' columns of a square picture, √L positions of any sequence.
        let stripes = ball.drawn(&lengths, &mut generators, |random, count| {
            let width = ((count / features) as f64).sqrt().ceil() as usize * features;
            let mut signs = Vec::with_capacity(count);
            while signs.len() < count {
                let stripe: Vec<f32> =
                    (0..features).map(|_| if random.random() { 1.0 } else { -1.0 }).collect();
                let left = width.min(count - signs.len());
                signs.extend(stripe.iter().cycle().take(left));
            }
            signs
        });
        let mut x = ball.corner(&stripes);
        for query in 0..victim.steps {
            let logits = victim.logits(&search.inputs, &x)?;
            let loss = Loss::Margin.of(&logits, &search.inputs.labels);
            let _ = search.note(&x, &logits, &loss)?;
            if search.is_done() {
                break;
            }
            x = search.best();
            for (place, row) in search.standing().into_iter().enumerate() {
                let (length, random) = (lengths[row], &mut generators[row]);
                let width = (share(query, victim.steps) * length as f64).round() as usize;
                let width = width.clamp(1, length.max(1));
                let start = random.random_range(0..=length.saturating_sub(width)) as i64;
                let signs: Vec<bool> = (0..features).map(|_| random.random()).collect();
                let signs = Tensor::from_slice(&signs).to_kind(Float::Bool).to_device(x.device());
                let part = |of: &Tensor, row| of.get(row).narrow(0, start, width as i64);
                let (lower, upper) = (part(&ball.lower, row as i64), part(&ball.upper, row as i64));
                let mut target = part(&x, place as i64);
                target.copy_(&upper.where_self(&signs, &lower));
            }
        }
        Ok(Attacked { x: search.into_best(), flat: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_shrink_as_published() {
        let of = |query| share(query, 10_000);
        assert_eq!([0, 10, 11, 50, 51].map(of), [0.8, 0.8, 0.4, 0.4, 0.2]);
        assert_eq!([8000, 8001, 9999].map(of), [0.8 / 256.0, 0.8 / 512.0, 0.8 / 512.0]);
        assert_eq!(share(3, 5000), 0.8);
        assert_eq!(share(6, 5000), 0.4);
    }
}
