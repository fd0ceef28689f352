//! Random changes of the same size: what chance does.

use anyhow::{Result, bail, ensure};
use rand::Rng;
use rand::seq::index;
use tch::{Device, Kind as Float};
use transformations::content::Kind;

use super::hotflip::{flips, free};
use super::{Attack, Attacked, Domain, VALUES, Victim};

/// Every value by the whole budget, up or down by chance.
pub struct Signs;

/// As many characters as the budget allows, by chance, to others.
pub struct Flips;

impl Attack for Signs {
    fn name(&self) -> &'static str {
        "random-signs"
    }

    fn about(&self) -> &'static str {
        "the whole budget up or down by chance"
    }

    fn kinds(&self) -> &'static [Kind] {
        VALUES
    }

    fn passes(&self, _: usize) -> usize {
        0
    }

    fn uses_gradients(&self) -> bool {
        false
    }

    fn run(&self, victim: &Victim<'_>) -> Result<Attacked> {
        let ball = victim.ball()?;
        let lengths = victim.inputs.valid_lengths();
        let mut generators = victim.generators(self.name());
        let signs = ball.drawn(&lengths, &mut generators, |random, count| {
            (0..count).map(|_| if random.random() { 1.0 } else { -1.0 }).collect()
        });
        Ok(Attacked { x: ball.corner(&signs), flat: None })
    }
}

impl Attack for Flips {
    fn name(&self) -> &'static str {
        "random-flips"
    }

    fn about(&self) -> &'static str {
        "characters by chance to others"
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Text]
    }

    fn passes(&self, _: usize) -> usize {
        0
    }

    fn uses_gradients(&self) -> bool {
        false
    }

    fn control(&self) -> &'static dyn Attack {
        &Self
    }

    fn run(&self, victim: &Victim<'_>) -> Result<Attacked> {
        let Domain::Tokens(alphabet) = &victim.domain else { bail!("values, no tokens") };
        ensure!(alphabet.end - alphabet.start > 1, "one token alone has no others");
        let x = victim.inputs.x.to_device(Device::Cpu).copy();
        let free = free(&victim.inputs, alphabet);
        for (row, random) in victim.generators(self.name()).iter_mut().enumerate() {
            let places: Vec<i64> =
                Vec::try_from(free.get(row as i64).to_kind(Float::Uint8).nonzero().flatten(0, -1))?;
            let count = flips(victim.budget, places.len())?;
            let tokens = x.get(row as i64);
            for chosen in index::sample(random, places.len(), count) {
                let place = places[chosen];
                let old = tokens.int64_value(&[place]);
                let new = random.random_range(alphabet.start..alphabet.end - 1);
                let new = if new >= old { new + 1 } else { new };
                let _ = tokens.narrow(0, place, 1).fill_(new);
            }
        }
        Ok(Attacked { x: x.to_device(victim.inputs.x.device()), flat: None })
    }
}
