//! Characters, by the gradient to their embedding.

use std::ops::Range;

use anyhow::{Result, bail, ensure};
use tch::{Kind as Float, Tensor};
use transformations::content::Kind;

use super::control::Flips;
use super::search::Search;
use super::{Attack, Attacked, Budget, Domain, Inputs, Loss, Victim};

/// HotFlip (Ebrahimi et al. 2018): those characters become others that raise the loss most to first order,
/// (e_b - e_a)·∂L/∂e_a, at any position. Each step flips several at once, and stays if a forward pass says
/// that the loss rose; if not, the next one tries half as many.
pub struct HotFlip;

/// Positions that may be flipped, (B, L): no padding, no end, nothing outside the alphabet.
pub(super) fn free(inputs: &Inputs, alphabet: &Range<i64>) -> Tensor {
    let inside = inputs.x.ge(alphabet.start).logical_and(&inputs.x.lt(alphabet.end));
    inside.logical_and(&inputs.valid())
}

/// How many of `characters` a budget allows to flip.
pub(super) fn flips(budget: Budget, characters: usize) -> Result<usize> {
    let Budget::Percent(percent) = budget else { bail!("a budget of {budget} of tokens") };
    // A share of 7% of 100 must not be 6.
    Ok((characters as f64 * percent / 100.0 + 1e-9).floor() as usize)
}

/// One example that still stands.
struct Row {
    /// The best tokens so far, (L).
    tokens: Tensor,
    /// The gradient there, (H, L).
    gradient: Tensor,
    /// Positions that may be flipped still, (L).
    free: Tensor,
    /// How many may be.
    left: usize,
    /// How many are tried at once.
    stride: usize,
    /// Positions that are being tried.
    tried: Tensor,
}

impl Row {
    /// Tokens with the best flips to first order; `None` where none helps. `vectors` (V, H) are the
    /// alphabet's.
    fn propose(&mut self, vectors: &Tensor, first: i64) -> Result<Option<Tensor>> {
        let gains = self.gradient.transpose(0, 1).matmul(&vectors.transpose(0, 1)); // (L, V)
        let inside = (&self.tokens - first).clamp(0, vectors.size()[0] - 1);
        let own = gains.gather(1, &inside.unsqueeze(1), false);
        let (gains, others) = (gains - own).max_dim(1, false);
        let gains = gains.masked_fill(&self.free.logical_not(), f64::NEG_INFINITY);
        let helpful = i64::try_from(gains.gt(0.0).sum(Float::Int64))? as usize;
        let count = self.stride.min(self.left).min(helpful);
        if count == 0 {
            return Ok(None);
        }
        let (_, places) = gains.topk(count as i64, 0, true, true);
        let flipped =
            self.tokens.index_copy(0, &places, &(others.index_select(0, &places) + first));
        self.tried = places;
        Ok(Some(flipped))
    }

    /// Keeps what was tried.
    fn accept(&mut self, tokens: Tensor, gradient: Tensor) {
        self.left -= self.tried.size()[0] as usize;
        let _ = self.free.index_fill_(0, &self.tried, 0);
        (self.tokens, self.gradient) = (tokens, gradient);
    }

    /// Tries less next time, or something else.
    fn reject(&mut self) {
        if self.tried.size()[0] == 1 {
            let _ = self.free.index_fill_(0, &self.tried, 0);
        }
        self.stride = (self.tried.size()[0] as usize / 2).max(1);
    }
}

impl Attack for HotFlip {
    fn name(&self) -> &'static str {
        "hotflip"
    }

    fn about(&self) -> &'static str {
        "characters to those that raise the loss most"
    }

    fn kinds(&self) -> &'static [Kind] {
        // In an expression another token is another value.
        &[Kind::Text]
    }

    fn steps(&self) -> Option<usize> {
        Some(10)
    }

    fn passes(&self, steps: usize) -> usize {
        3 * (steps + 1)
    }

    fn control(&self) -> &'static dyn Attack {
        &Flips
    }

    fn run(&self, victim: &Victim<'_>) -> Result<Attacked> {
        let Domain::Tokens(alphabet) = &victim.domain else { bail!("values, no tokens") };
        ensure!(victim.steps > 0, "no steps");
        let device = victim.inputs.x.device();
        let all = Tensor::arange_start(alphabet.start, alphabet.end, (Float::Int64, device));
        let vectors = tch::no_grad(|| victim.model.embed(&all.unsqueeze(0)))?;
        let vectors = vectors.get(0).transpose(0, 1); // (V, H)
        let mut search = Search::new(victim);
        let slope = victim.slope_of_tokens(&search.inputs, &victim.inputs.x, Loss::CrossEntropy)?;
        let flat = Some(slope.flat());
        let free = free(&victim.inputs, alphabet);
        let kept =
            Vec::<i64>::try_from(search.note(&victim.inputs.x, &slope.logits, &slope.loss)?)?;
        let mut rows = Vec::new();
        for row in kept {
            let free = free.get(row).copy();
            let left = flips(victim.budget, i64::try_from(free.sum(Float::Int64))? as usize)?;
            rows.push(Row {
                tokens: victim.inputs.x.get(row),
                gradient: slope.gradient.get(row),
                free,
                left,
                // Half of the steps are enough if all go well.
                stride: (2 * left).div_ceil(victim.steps),
                tried: Tensor::zeros([0], (Float::Int64, device)),
            });
        }
        for _ in 0..victim.steps {
            // Those that have nothing left to try stand for good.
            let (mut open, mut proposals, mut places) = (Vec::new(), Vec::new(), Vec::new());
            for (place, mut row) in rows.into_iter().enumerate() {
                if let Some(proposal) = row.propose(&vectors, alphabet.start)? {
                    places.push(place as i64);
                    proposals.push(proposal);
                    open.push(row);
                }
            }
            rows = open;
            if rows.is_empty() {
                break;
            }
            search.keep(&Tensor::from_slice(&places).to_device(device));
            let before = Vec::<f64>::try_from(search.loss())?;
            let x = Tensor::stack(&proposals, 0);
            let slope = victim.slope_of_tokens(&search.inputs, &x, Loss::CrossEntropy)?;
            let after = Vec::<f64>::try_from(&slope.loss)?;
            for (number, (row, tokens)) in rows.iter_mut().zip(proposals).enumerate() {
                if after[number] > before[number] {
                    row.accept(tokens, slope.gradient.get(number as i64));
                } else {
                    row.reject();
                }
            }
            let kept = Vec::<i64>::try_from(search.note(&x, &slope.logits, &slope.loss)?)?;
            let mut place = 0;
            rows.retain(|_| {
                place += 1;
                kept.contains(&(place - 1))
            });
        }
        Ok(Attacked { x: search.into_best(), flat })
    }
}
