//! What values an attack may choose from.

use anyhow::{Result, bail};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

use super::{Budget, Domain, Inputs};

/// All values within a radius (L∞) of the clean ones and in their domain. Padding is no further than it is.
#[derive(Debug)]
pub struct Ball {
    /// The middle, (B, L, features).
    pub clean: Tensor,
    /// Least values.
    pub lower: Tensor,
    /// Greatest values.
    pub upper: Tensor,
    /// By how much a value may change, (B, 1, 1).
    pub radius: Tensor,
}

impl Ball {
    /// The ball of a budget.
    ///
    /// # Errors
    /// If the inputs are tokens, or the budget is none of values.
    pub fn around(inputs: &Inputs, domain: &Domain, budget: Budget) -> Result<Self> {
        let Domain::Values(range) = domain else { bail!("tokens, which have no neighbourhood") };
        let clean = inputs.x.shallow_clone();
        let valid = inputs.valid().unsqueeze(2);
        let radius = match budget {
            Budget::Level(level) => {
                Tensor::full_like(&clean.narrow(1, 0, 1).narrow(2, 0, 1), level)
            }
            Budget::Snr(_) => {
                let axes = [1i64, 2];
                let squares = clean.square() * &valid;
                let count = valid.expand_as(&clean).to_kind(clean.kind());
                let count = count.sum_dim_intlist(axes.as_slice(), true, None).clamp_min(1.0);
                let power = squares.sum_dim_intlist(axes.as_slice(), true, None) / count;
                power.sqrt() * budget.size()
            }
            Budget::Percent(_) => bail!("a budget of {budget} of values"),
        };
        let within = |end: Tensor| end.clamp(range.start, range.end).where_self(&valid, &clean);
        let (lower, upper) = (within(&clean - &radius), within(&clean + &radius));
        Ok(Self { clean, lower, upper, radius })
    }

    /// The rows of which `kept` has the numbers.
    pub fn rows(&self, kept: &Tensor) -> Self {
        let of = |x: &Tensor| x.index_select(0, kept);
        Self {
            clean: of(&self.clean),
            lower: of(&self.lower),
            upper: of(&self.upper),
            radius: of(&self.radius),
        }
    }

    /// The nearest to `x` of the ball.
    pub fn project(&self, x: &Tensor) -> Tensor {
        x.maximum(&self.lower).minimum(&self.upper)
    }

    /// As far as it goes to the side of `signs`, which are not 0.
    pub fn corner(&self, signs: &Tensor) -> Tensor {
        self.upper.where_self(&signs.gt(0.0), &self.lower)
    }

    /// Values in (-1, 1) like the clean ones, of each example by itself: `draw` makes them of its
    /// generator and its number of values without padding.
    pub fn drawn(
        &self,
        lengths: &[usize],
        generators: &mut [ChaCha8Rng],
        draw: impl Fn(&mut ChaCha8Rng, usize) -> Vec<f32>,
    ) -> Tensor {
        let (positions, features) = (self.clean.size()[1] as usize, self.clean.size()[2] as usize);
        let mut all = Vec::with_capacity(lengths.len() * positions * features);
        for (row, (&length, random)) in lengths.iter().zip(generators).enumerate() {
            all.extend(draw(random, length * features));
            all.resize((row + 1) * positions * features, 0.0);
        }
        let all = Tensor::from_slice(&all).view(self.clean.size().as_slice());
        all.to_kind(self.clean.kind()).to_device(self.clean.device())
    }

    /// A point anywhere within the ball.
    pub fn point(&self, lengths: &[usize], generators: &mut [ChaCha8Rng]) -> Tensor {
        let uniform = |random: &mut ChaCha8Rng, count| {
            (0..count).map(|_| random.random_range(-1.0..1.0f32)).collect()
        };
        let drawn = self.drawn(lengths, generators, uniform);
        self.project(&(&self.clean + drawn * &self.radius))
    }

    /// SNR in dB of `x` as a perturbation of the clean values, of each example; infinite where there is none.
    pub fn snr(&self, x: &Tensor) -> Vec<f64> {
        let power = |x: &Tensor| {
            let x = x.to_kind(Kind::Double).square();
            x.sum_dim_intlist([1i64, 2].as_slice(), false, None)
        };
        let ratio = power(&self.clean) / power(&(x - &self.clean));
        Vec::<f64>::try_from(ratio.log10() * 10.0).unwrap_or_default()
    }
}
