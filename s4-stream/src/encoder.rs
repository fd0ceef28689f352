//! From what a model gets at each position to a vector of channels.

use anyhow::{Result, bail, ensure};
use s4_config::AdaptiveConfig;

use crate::adaptive::{AdaptiveEmbedding, Cluster};
use crate::layer::linear::{Linear, Stored, Vectors};
use crate::simd::{Arena, Isa, Lanes, lanes, pack, pack_into};
use crate::weights::Place;

/// The first layer.
#[derive(Debug, Clone)]
pub(crate) enum Encoder {
    /// The vector of every code, in order.
    Codes { vectors: Vec<Lanes>, codes: usize },
    /// Vectors of codes in clusters.
    Adaptive(AdaptiveEmbedding),
    /// A linear map of vectors of real numbers.
    Values { linear: Linear, features: usize },
    /// The number of every code as it is, before others that are not used.
    Numbers { codes: usize },
}

/// What goes in at one position of some sequences.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Inputs<'a> {
    /// (B).
    Codes(&'a [u32]),
    /// (B, features), row by row.
    Values(&'a [f32]),
}

impl Encoder {
    /// That of a network of `width` channels: a linear map where it has a bias.
    pub fn read(place: &Place, adaptive: Option<&AdaptiveConfig>, width: usize) -> Result<Self> {
        if let Some(config) = adaptive {
            return AdaptiveEmbedding::read(place, config, width).map(Encoder::Adaptive);
        }
        if place.has("bias") { Self::values(place, width) } else { Self::codes(place, width) }
    }

    /// None, for a backbone that takes numbers below `codes`.
    pub fn numbers(codes: usize) -> Self {
        Encoder::Numbers { codes }
    }

    /// An embedding: `weight` (codes, H).
    fn codes(place: &Place, width: usize) -> Result<Self> {
        let rows = place.rows("weight", width)?;
        let codes = rows.len() / width;
        let vector = |row: &[f64]| pack(row.iter().map(|&x| x as f32));
        Ok(Encoder::Codes { vectors: rows.chunks_exact(width).flat_map(vector).collect(), codes })
    }

    /// A linear map: `weight` (H, features) and `bias` (H).
    fn values(place: &Place, width: usize) -> Result<Self> {
        let shape = place.shape("weight")?;
        let features = shape.get(1).copied().unwrap_or_default();
        ensure!(
            features > 0,
            "the encoder's weight has shape {shape:?}, expected [{width}, features]"
        );
        let (inputs, outputs) = (Vectors::one(features), Vectors::one(width));
        let linear = Linear::read(place, Stored::Plain, inputs, outputs)?;
        Ok(Encoder::Values { linear, features })
    }

    /// Rounds the weights of a linear map to integers of 16 bits, which are kept in `arena`. An
    /// embedding stays: only one of its vectors is read per position.
    pub fn round(&mut self, arena: &mut Arena) {
        match self {
            Encoder::Codes { .. } | Encoder::Numbers { .. } => (),
            Encoder::Adaptive(embedding) => embedding.round(arena),
            Encoder::Values { linear, .. } => linear.round(arena),
        }
    }

    /// Different codes, where codes go in.
    pub fn number_of_codes(&self) -> Option<usize> {
        match *self {
            Encoder::Codes { codes, .. } | Encoder::Numbers { codes } => Some(codes),
            Encoder::Adaptive(ref embedding) => Some(embedding.tokens()),
            Encoder::Values { .. } => None,
        }
    }

    /// Clusters of codes.
    pub fn clusters(&self) -> Result<&[Cluster]> {
        match self {
            Encoder::Adaptive(embedding) => Ok(embedding.clusters()),
            _ => bail!("model.adaptive is for models that get codes, not values"),
        }
    }

    /// Numbers that go in per position.
    pub fn features(&self) -> usize {
        match self {
            Encoder::Codes { .. } | Encoder::Numbers { .. } | Encoder::Adaptive(_) => 1,
            Encoder::Values { features, .. } => *features,
        }
    }

    /// Lanes of scratch space that a sequence needs.
    pub fn scratch(&self) -> usize {
        match self {
            Encoder::Codes { .. } | Encoder::Numbers { .. } => 0,
            Encoder::Adaptive(embedding) => embedding.scratch(),
            Encoder::Values { features, .. } => lanes(*features),
        }
    }

    /// Refuses what cannot predict the next code by as many logits as `outputs`.
    pub fn check_next(&self, outputs: usize) -> Result<()> {
        match (self, self.number_of_codes()) {
            (_, Some(codes)) if codes == outputs => Ok(()),
            (_, Some(codes)) => bail!(
                "the model has {outputs} outputs for {codes} codes, so it does not predict the \
                 next one: if it is a classifier, load it as one (Model::load_classifier)"
            ),
            _ => bail!(
                "the model gets vectors of {} values, so it does not predict the next \
                 code: if it is a classifier, load it as one (Model::load_classifier)",
                self.features()
            ),
        }
    }

    /// Refuses what cannot go in at a position of `batch` sequences.
    pub fn check(&self, inputs: Inputs, batch: usize) -> Result<()> {
        match (self, self.number_of_codes(), inputs) {
            (_, Some(codes), Inputs::Codes(given)) => {
                ensure!(
                    given.len() == batch,
                    "{batch} sequences need as many codes, got {}",
                    given.len()
                );
                if let Some(code) = given.iter().find(|&&code| code as usize >= codes) {
                    bail!("the model has codes below {codes}, got {code}");
                }
            }
            (Encoder::Values { features, .. }, _, Inputs::Values(given)) => ensure!(
                given.len() == batch * features,
                "{batch} sequences need {features} values each, got {} in all",
                given.len()
            ),
            (_, Some(codes), Inputs::Values(_)) => {
                bail!("the model gets codes below {codes}, not values: step it by `step`")
            }
            (_, None, _) => bail!(
                "the model gets vectors of {} values, not codes: step it by `step_values`",
                self.features()
            ),
        }
        Ok(())
    }

    /// The vectors x (B, H) of `inputs` that have passed [`Self::check`].
    pub fn apply(&self, isa: Isa, inputs: Inputs, scratch: &mut [Lanes], x: &mut [Lanes]) {
        match (self, inputs) {
            (Encoder::Codes { vectors, codes }, Inputs::Codes(given)) => {
                let width = vectors.len() / codes;
                for (x, &code) in x.chunks_exact_mut(width).zip(given) {
                    x.copy_from_slice(&vectors[code as usize * width..][..width]);
                }
            }
            (Encoder::Values { linear, features }, Inputs::Values(given)) => {
                let sequences = scratch.chunks_exact_mut(lanes(*features));
                for (vector, given) in sequences.zip(given.chunks_exact(*features)) {
                    pack_into(given, vector);
                }
                linear.apply(isa, scratch, x);
            }
            (Encoder::Adaptive(embedding), Inputs::Codes(given)) => {
                let width = x.len() / given.len().max(1);
                for (x, &code) in x.chunks_exact_mut(width).zip(given) {
                    embedding.apply(isa, code as usize, scratch, x);
                }
            }
            (Encoder::Numbers { codes }, Inputs::Codes(given)) => {
                for (x, &code) in x.chunks_exact_mut(lanes(*codes)).zip(given) {
                    x[0].0[0] = code as f32;
                }
            }
            _ => unreachable!("inputs are checked first"),
        }
    }
}

impl<'a> Inputs<'a> {
    /// The first `count` numbers, and the others.
    pub fn split_at(self, count: usize) -> (Self, Self) {
        match self {
            Inputs::Codes(codes) => {
                let (own, rest) = codes.split_at(count);
                (Inputs::Codes(own), Inputs::Codes(rest))
            }
            Inputs::Values(values) => {
                let (own, rest) = values.split_at(count);
                (Inputs::Values(own), Inputs::Values(rest))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classifiers_do_not_predict_the_next_code() {
        let encoder = Encoder::Codes { vectors: vec![], codes: 18 };
        assert!(encoder.check_next(18).is_ok());
        let error = encoder.check_next(5).unwrap_err().to_string();
        assert!(error.contains("5 outputs for 18 codes"), "{error}");
    }
}
