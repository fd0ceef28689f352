//! A run of `lra-bench`: classes, or values, of whole sequences.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use datasets::batch::{Batch, Example, Label};
use datasets::metric::Metric;
use datasets::shape::Target;
use datasets::split::Split;
use lra_bench::experiment::Experiment;
use lra_bench::metrics::{gather, highest, softmax};
use lra_bench::objective::Supervised;
use s4_config::Input;
use tch::Device;
use training::objective::{Objective, Phase};
use training::run::Run;
use transformations::content::Codec;

use super::{About, Item, Subject, Verdict};
use crate::fingerprint;

/// A model of labelled sequences with its test examples.
pub struct Classifier {
    about: About,
    model: Supervised,
    target: Target,
    input: Input,
    test: Split,
    codec: Codec,
    batch_size: usize,
}

impl Classifier {
    /// The run's model and its data, which is looked for in `data` where that is given.
    ///
    /// # Errors
    /// If the data is missing or the checkpoint of another model.
    pub fn open(mut run: Run<Experiment>, data: Option<&PathBuf>, device: Device) -> Result<Self> {
        if let Some(data) = data {
            run.experiment.set_data_dir(data);
        }
        let splits = run.experiment.open(true)?;
        ensure!(
            !matches!(
                splits.shape.target,
                Target::PerPosition { .. } | Target::LastTokens { .. } | Target::Series(_)
            ),
            "{} asks for tokens or a series: what is judged here are classes and values of whole sequences",
            run.path.display()
        );
        let inputs = run.experiment.task()?.inputs(&run.experiment.data).ok();
        let codec = Codec::new(&splits.medium, inputs)?;
        let model = Supervised::new(&run.experiment, &splits.shape, device)?;
        let step = run.load_weights(model.params())?;
        let about = About {
            run: run.path.clone(),
            task: run.experiment.task.clone(),
            data: splits.origin.clone(),
            step,
            model: fingerprint::of_model(
                &(&run.experiment.model, &run.experiment.data),
                model.params(),
            )?,
            kind: codec.kind(),
            classes: splits.shape.target.class_names().to_vec(),
        };
        let batch_size = run.experiment.train.eval_batch_size().max(1);
        let target = splits.shape.target;
        let input = splits.shape.input;
        Ok(Self { about, model, target, input, test: splits.test, codec, batch_size })
    }

    /// The item as the model gets it.
    ///
    /// # Errors
    /// If it cannot be an input of the model.
    pub fn encode(&self, item: &Item) -> Result<Example> {
        let original = self.test.example(item.index)?;
        let sequences = self.codec.encode(&item.content, &original)?;
        Ok(Example { sequences, label: item.label.clone() })
    }

    /// What examples are to people and to the model.
    pub fn codec(&self) -> &Codec {
        &self.codec
    }

    /// The model.
    pub fn model(&self) -> &Supervised {
        &self.model
    }

    /// What the shorter sequences of a batch are filled up with.
    pub fn padding(&self) -> Option<f32> {
        self.test.padding()
    }

    /// Number of different tokens, where inputs are those.
    pub fn vocabulary(&self) -> Option<i64> {
        match self.input {
            Input::Tokens { vocabulary } => Some(vocabulary),
            Input::Values { .. } => None,
        }
    }

    /// What its outputs for one example with this label come to.
    pub fn verdict(&self, outputs: &[f64], label: &Label) -> Verdict {
        verdict(outputs, label, &self.target)
    }

    fn outputs(&self, examples: &[Example], rate: f64) -> Result<Vec<Vec<f64>>> {
        let _guard = tch::no_grad_guard();
        let lengths =
            |example: &Example| example.sequences.iter().map(|it| it.len()).sum::<usize>();
        // Changed lengths are padded where the data's own are all the same.
        let differ = examples.windows(2).any(|pair| lengths(&pair[0]) != lengths(&pair[1]));
        let padding = self.test.padding().or(differ.then_some(0.0));
        let batch = self.model.upload(&Batch::of(examples, padding)?)?;
        let outputs = self.model.outputs_at(&batch, Phase::Eval, rate)?;
        gather::host(&outputs)
    }
}

/// The value, classes and confidence of outputs for an example with this label.
fn verdict(outputs: &[f64], label: &Label, target: &Target) -> Verdict {
    match label {
        Label::Class(class) => {
            let class = *class as usize;
            let predicted = highest(outputs);
            Verdict {
                value: f64::from(u8::from(predicted == class)),
                label: Some(class),
                predicted: Some(predicted),
                confidence: softmax(outputs)[predicted],
            }
        }
        Label::LastTokens(_) | Label::Next => {
            Verdict { value: f64::NAN, label: None, predicted: None, confidence: 0.0 }
        }
        Label::Values(values) => {
            let each = outputs.iter().zip(values).zip(target.quantities());
            let errors =
                each.map(|((output, value), it)| (output - it.standardise(*value)).powi(2));
            let value = errors.sum::<f64>() / values.len().max(1) as f64;
            Verdict { value, label: None, predicted: None, confidence: 0.0 }
        }
    }
}

impl Subject for Classifier {
    fn about(&self) -> &About {
        &self.about
    }

    fn metric(&self) -> Metric {
        match self.target {
            Target::Values(_) => Metric::LOSS,
            _ => Metric::ACCURACY,
        }
    }

    fn len(&self) -> usize {
        self.test.len()
    }

    fn item(&self, index: usize) -> Result<Item> {
        let example = self.test.example(index).with_context(|| format!("test example {index}"))?;
        let content = self.codec.decode(&example)?;
        Ok(Item { index, content, label: example.label })
    }

    fn stratum(&self, index: usize) -> Result<usize> {
        Ok(match self.test.label(index)? {
            Label::Class(class) => class as usize,
            _ => 0,
        })
    }

    fn file(&self, index: usize) -> Option<PathBuf> {
        self.test.name(index)
    }

    fn judge(&self, items: &[Item], rate: f64) -> Result<Vec<Verdict>> {
        let examples: Vec<Example> =
            items.iter().map(|item| self.encode(item)).collect::<Result<_>>()?;
        let outputs = self.outputs(&examples, rate)?;
        ensure!(
            outputs.iter().flatten().all(|it| it.is_finite()),
            "the model's output is not finite"
        );
        let each = outputs.iter().zip(items);
        Ok(each.map(|(outputs, item)| verdict(outputs, &item.label, &self.target)).collect())
    }

    fn has_rate(&self) -> bool {
        self.model.model().has_rate()
    }

    fn batch_size(&self) -> usize {
        self.batch_size
    }

    fn as_classifier(&self) -> Option<&Classifier> {
        matches!(self.target, Target::Classes(_) | Target::Pair(_)).then_some(self)
    }
}
