//! A classifier, as attacks see it.

use anyhow::{Context, Result, ensure};
use datasets::batch::{Batch, Example, Sequences};
use datasets::examples::tokens::FIRST;
use s4_core::layer::Pass;
use tch::{Device, Kind, Tensor};
use training::objective::Objective;

use super::{Domain, Inputs, Model};
use crate::subject::{Item, TaskModel};

/// A classifier whose inputs are in the units of the field: pixels in [0, 1], samples in [-1, 1].
pub struct Attackable<'a> {
    classifier: &'a TaskModel,
    /// Mean and deviation of each feature, where inputs are values.
    scale: Option<(Tensor, Tensor)>,
    domain: Domain,
}

impl<'a> Attackable<'a> {
    /// The classifier, for inputs like the item's.
    ///
    /// # Errors
    /// If the item cannot be an input.
    pub fn new(classifier: &'a TaskModel, item: &Item) -> Result<Self> {
        let example = classifier.encode(item)?;
        let first = example.sequences.first().context("an example without a sequence")?;
        let params = classifier.model().params();
        let (scale, domain) = match first {
            Sequences::Tokens(_) => {
                let vocabulary = classifier.vocabulary().context("tokens without a vocabulary")?;
                (None, Domain::Tokens(i64::from(FIRST)..vocabulary))
            }
            values => {
                let units = classifier.codec().units(values);
                let tensor = |values: &[f64]| {
                    Tensor::from_slice(values).to_kind(params.kind()).to_device(params.device())
                };
                let scale = (tensor(&units.mean), tensor(&units.std));
                (Some(scale), Domain::Values(units.range))
            }
        };
        Ok(Self { classifier, scale, domain })
    }

    /// What its inputs may be.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Items as inputs of an attack.
    ///
    /// # Errors
    /// If they cannot be inputs of the model, or do not fit into one batch.
    pub fn inputs(&self, items: &[Item]) -> Result<Inputs> {
        let examples: Vec<Example> =
            items.iter().map(|item| self.classifier.encode(item)).collect::<Result<_>>()?;
        let pairs = examples.iter().any(|example| example.sequences.len() > 1);
        let batch = Batch::of(&examples, self.classifier.padding())?;
        let batch = self.classifier.model().upload(&batch)?;
        let rows = items.len() as i64;
        let second = pairs.then(|| batch.x.narrow(0, rows, rows));
        ensure!(second.is_none() || self.scale.is_none(), "pairs of values");
        let x = batch.x.narrow(0, 0, rows);
        let x = match &self.scale {
            Some((mean, std)) => x * std + mean,
            None => x,
        };
        let examples = items.iter().map(|item| item.index).collect();
        Ok(Inputs { x, second, lengths: batch.lengths, labels: batch.labels, examples })
    }

    /// The item with what an attack made of its input, x (1, L, ·) ([`Inputs::x`]).
    ///
    /// # Errors
    /// If it is not of this data.
    pub fn item(&self, item: &Item, x: &Tensor) -> Result<Item> {
        let mut example = self.classifier.encode(item)?;
        let x = x.get(0).narrow(0, 0, example.sequences[0].len() as i64);
        let x = match &self.scale {
            Some((mean, std)) => (x - mean) / std,
            None => x,
        };
        let x = x.to_device(Device::Cpu).reshape([-1]);
        let values = || Vec::<f32>::try_from(x.to_kind(Kind::Float));
        example.sequences[0] = match &example.sequences[0] {
            Sequences::Tokens(_) => Sequences::Tokens(Vec::try_from(&x)?),
            Sequences::Values { features, .. } => {
                Sequences::Values { values: values()?, features: *features }
            }
            Sequences::Bytes(_) => Sequences::Bytes(
                values()?.iter().map(|value| (value * 255.0).round() as u8).collect(),
            ),
        };
        Ok(Item { content: self.classifier.codec().decode(&example)?, ..item.clone() })
    }
}

impl Model for Attackable<'_> {
    fn embed(&self, x: &Tensor) -> Result<Tensor> {
        let network = self.classifier.model().model();
        match &self.scale {
            Some((mean, std)) => network.embed(&((x - mean) / std)),
            None => network.embed(x),
        }
    }

    fn logits(&self, x: &Tensor, lengths: Option<&Tensor>) -> Result<Tensor> {
        let lengths = lengths.map(Tensor::shallow_clone);
        self.classifier.model().model().from_embedded(x, &Pass::eval().with_lengths(lengths))
    }
}
