//! A run of `lra-bench`: classes, values or continuations of sequences.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use datasets::batch::{Batch, Example, Label};
use datasets::examples::view::View;
use datasets::medium::Medium;
use datasets::metric::Metric;
use datasets::shape::{Shape, Target};
use datasets::split::Split;
use lra_bench::experiment::Experiment;
use lra_bench::metrics::{gather, highest, softmax};
use lra_bench::objective::Supervised;
use s4_config::Input;
use tch::Device;
use toml::Value;
use training::objective::{Objective, Phase};
use training::run::Run;
use transformations::content::Codec;

use super::{About, Item, Subject, Verdict, noise_in};
use crate::fingerprint;

/// A model of a task with its test examples.
pub struct TaskModel {
    about: About,
    model: Supervised,
    target: Target,
    input: Input,
    metric: Metric,
    /// The folder of the data, if it has one.
    data: Option<PathBuf>,
    /// What it is given of recordings.
    view: View,
    test: Split,
    codec: Codec,
    batch_size: usize,
}

impl TaskModel {
    /// The run's model and its data, which is looked for in `data` where that is given.
    ///
    /// # Errors
    /// If the data is missing or the checkpoint of another model.
    pub fn open(mut run: Run<Experiment>, data: Option<&PathBuf>, device: Device) -> Result<Self> {
        if let Some(data) = data {
            run.experiment.set_data_dir(data);
        }
        let splits = run.experiment.open(true)?;
        let data = run.experiment.data.get("dir").and_then(Value::as_str).map(PathBuf::from);
        let task = run.experiment.task()?;
        let inputs = task.inputs(&run.experiment.data).ok();
        let codec = Codec::new(&splits.medium, &splits.shape.target, inputs)?;
        let view = match &splits.medium {
            Medium::Sound { view, .. } => view.clone(),
            _ => View::Samples,
        };
        let metric = match &splits.shape.target {
            Target::Classes(_) | Target::Pair(_) => Metric::ACCURACY,
            Target::Values(_) => Metric::LOSS,
            Target::Series(_) => Metric::MSE,
            Target::LastTokens { .. } => bail!(
                "{} is of {}, whose symbols mean nothing that could be changed: there is nothing to judge it on",
                run.path.display(),
                task.name
            ),
            // A mean over examples, which a perplexity is not.
            Target::PerPosition { .. } => (task.metric)(&run.experiment.data)
                .filter(|metric| *metric != Metric::PERPLEXITY)
                .unwrap_or(Metric::LOSS),
        };
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
        let (Shape { target, input }, test) = (splits.shape, splits.test);
        Ok(Self { about, model, target, input, metric, data, view, test, codec, batch_size })
    }

    /// The item as the model gets it.
    ///
    /// # Errors
    /// If it cannot be an input of the model.
    pub fn encode(&self, item: &Item) -> Result<Example> {
        let original = self.test.source(item.index)?;
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

    /// What it says of examples: of each a row of outputs, or -log p of each token that is asked for.
    fn outputs(&self, examples: &[Example], rate: f64) -> Result<Vec<Vec<f64>>> {
        let _guard = tch::no_grad_guard();
        let lengths =
            |example: &Example| example.sequences.iter().map(|it| it.len()).sum::<usize>();
        // Changed lengths are padded where the data's own are all the same.
        let differ = examples.windows(2).any(|pair| lengths(&pair[0]) != lengths(&pair[1]));
        let padding = self.test.padding().or(differ.then_some(0.0));
        let batch = Batch::of(examples, padding)?;
        if let Target::PerPosition { .. } = self.target {
            return self.model.nll_of_each(&batch);
        }
        let batch = self.model.upload(&batch)?;
        let outputs = self.model.outputs_at(&batch, Phase::Eval, rate)?;
        gather::host(&outputs.f_flatten(1, -1)?)
    }

    /// The value, classes and confidence of outputs for one example with this label.
    pub fn verdict(&self, outputs: &[f64], label: &Label) -> Verdict {
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
                let nats = outputs.iter().sum::<f64>() / outputs.len().max(1) as f64;
                let value =
                    if self.metric == Metric::LOSS { nats } else { self.metric.of_nats(nats) };
                Verdict { value, label: None, predicted: None, confidence: (-nats).exp() }
            }
            Label::Values(values) => {
                // Of each value its mean, or its quantiles, of which the median is the forecast.
                let (levels, point) = match &self.target {
                    Target::Series(series) => (series.levels(), series.point()),
                    _ => (1, 0),
                };
                let said = outputs.iter().skip(point).step_by(levels);
                let each = said.zip(values).zip(self.target.quantities().iter().cycle());
                let errors =
                    each.map(|((said, value), it)| (said - it.standardise(*value)).powi(2));
                let value = errors.sum::<f64>() / values.len().max(1) as f64;
                Verdict { value, label: None, predicted: None, confidence: 0.0 }
            }
        }
    }
}

impl Subject for TaskModel {
    fn about(&self) -> &About {
        &self.about
    }

    fn metric(&self) -> Metric {
        self.metric
    }

    fn len(&self) -> usize {
        self.test.len()
    }

    fn item(&self, index: usize) -> Result<Item> {
        let example = self.test.source(index).with_context(|| format!("test example {index}"))?;
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

    fn background_noise(&self) -> Option<PathBuf> {
        noise_in(self.data.as_deref()?)
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
        Ok(each.map(|(outputs, item)| self.verdict(outputs, &item.label)).collect())
    }

    fn has_rate(&self) -> bool {
        let is_whole = !matches!(self.target, Target::PerPosition { .. });
        is_whole && !matches!(self.view, View::Mel(_)) && self.model.model().has_rate()
    }

    fn takes_any_length(&self) -> bool {
        self.codec.takes_any_length() && !matches!(self.target, Target::Series(_))
    }

    fn batch_size(&self) -> usize {
        self.batch_size
    }

    fn attackable(&self) -> Result<&TaskModel> {
        ensure!(
            matches!(self.target, Target::Classes(_) | Target::Pair(_)),
            "they are on classifiers, and this model has no classes"
        );
        ensure!(
            matches!(self.view, View::Samples),
            "they change samples, and this model is given {} of them",
            self.view.words()
        );
        Ok(self)
    }
}
