//! From a model's input to what it is to people, and back.

use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use datasets::batch::{Example, Sequences};
use datasets::examples::images::Moments;
use datasets::examples::recordings::Standardisation;
use datasets::examples::tokens::{END, sequence};
use datasets::inputs::{Inputs, ReadLine};
use datasets::medium::{Medium, Spell};

use super::{Content, Expression, Kind, Picture, Series, Sound};

/// Tells what examples of one data set are to people, and makes inputs of it.
pub struct Codec {
    form: Form,
    kind: Kind,
}

/// How values of a model's input are values to people: input · std + mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Units {
    /// Mean of each feature.
    pub mean: Vec<f64>,
    /// Standard deviation of each feature.
    pub std: Vec<f64>,
    /// What values can be to people.
    pub range: Range<f64>,
}

enum Form {
    Pictures { width: usize, order: Option<Arc<Vec<usize>>>, moments: Vec<Moments> },
    Sound { rate: u32, scale: Standardisation },
    Text { spell: Spell, read: ReadLine },
    Expressions,
    Series,
}

impl Codec {
    /// The codec of data that is this to people. `inputs` are how texts from elsewhere are read for it.
    ///
    /// # Errors
    /// If it is text, and there is no way to read any.
    pub fn new(medium: &Medium, inputs: Option<Inputs>) -> Result<Self> {
        let form = match medium.clone() {
            Medium::Pictures { width, order, moments, .. } => {
                Form::Pictures { width, order, moments }
            }
            Medium::Sound { rate, scale } => Form::Sound { rate, scale },
            Medium::Text(spell) => {
                let read = inputs.and_then(|inputs| inputs.line);
                let read = read.context("changed texts cannot be read as this data is")?;
                Form::Text { spell, read }
            }
            Medium::Expressions => Form::Expressions,
            Medium::Series => Form::Series,
        };
        Ok(Self { form, kind: medium.kind() })
    }

    /// What all examples are.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What the values of these sequences, which are no tokens, are to people: pixels in [0, 1], samples in
    /// [-1, 1]; series as they are. Bytes are value / 255 to the model.
    pub fn units(&self, of: &Sequences) -> Units {
        let features = match of {
            Sequences::Values { features, .. } => *features,
            Sequences::Bytes(_) | Sequences::Tokens(_) => 1,
        };
        let plain = |range| Units { mean: vec![0.0; features], std: vec![1.0; features], range };
        match &self.form {
            Form::Pictures { moments, .. } if !moments.is_empty() => Units {
                mean: moments.iter().map(|it| it.mean).collect(),
                std: moments.iter().map(|it| it.std).collect(),
                range: 0.0..1.0,
            },
            Form::Sound { scale, .. } => {
                let (zero, one) = (f64::from(scale.undo(0.0)), f64::from(scale.undo(1.0)));
                Units { mean: vec![zero], std: vec![one - zero], range: -1.0..1.0 }
            }
            _ if matches!(of, Sequences::Bytes(_)) => plain(0.0..1.0),
            _ => plain(f64::NEG_INFINITY..f64::INFINITY),
        }
    }

    /// The example as it is to people; of a pair, the first of the two.
    ///
    /// # Errors
    /// If it is not of this data.
    pub fn decode(&self, example: &Example) -> Result<Content> {
        let of = example.sequences.first().context("an example without a sequence")?;
        Ok(match (&self.form, of) {
            (Form::Pictures { width, order, moments }, _) => {
                let (values, colours) = levels(of, moments)?;
                let mut picture = vec![0.0; values.len()];
                for (position, pixel) in values.chunks(colours).enumerate() {
                    let place = order.as_ref().map_or(position, |order| order[position]);
                    picture[place * colours..][..colours].copy_from_slice(pixel);
                }
                Picture { width: *width, colours, values: picture }.into()
            }
            (Form::Sound { rate, scale }, Sequences::Values { values, features: 1 }) => {
                let samples = values.iter().map(|&value| scale.undo(value)).collect();
                Sound { rate: *rate, samples }.into()
            }
            (Form::Text { spell, .. }, Sequences::Tokens(tokens)) => spell(tokens).into(),
            (Form::Expressions, Sequences::Tokens(tokens)) => {
                let tokens = tokens.iter().map(|&token| token as u8);
                let tokens: Vec<u8> = tokens.take_while(|&token| token != END).collect();
                Expression::of(&tokens)?.into()
            }
            (Form::Series, Sequences::Values { values, features }) => {
                Series { values: values.clone(), features: *features }.into()
            }
            (Form::Series, Sequences::Bytes(bytes)) => {
                let values = bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect();
                Series { values, features: 1 }.into()
            }
            _ => bail!("an example that is none of {}", self.kind),
        })
    }

    /// `example` with `content` in the place of its (first) sequence, as the model gets it.
    ///
    /// # Errors
    /// If that cannot be an input of the model.
    pub fn encode(&self, content: &Content, example: &Example) -> Result<Vec<Sequences>> {
        let original = example.sequences.first().context("an example without a sequence")?;
        let first = match (&self.form, content) {
            (Form::Pictures { order, moments, .. }, Content::Picture(picture)) => {
                let (bytes, colours) = (picture.bytes(), picture.colours);
                ensure!(
                    bytes.len() == original.len() * colours,
                    "a picture of {} pixels, expected {}",
                    bytes.len() / colours,
                    original.len()
                );
                let positions = original.len();
                let place = |position| order.as_ref().map_or(position, |order| order[position]);
                let bytes: Vec<u8> = (0..positions)
                    .flat_map(|position| &bytes[place(position) * colours..][..colours])
                    .copied()
                    .collect();
                standardised(bytes, moments)
            }
            (Form::Sound { scale, .. }, Content::Sound(sound)) => {
                ensure!(!sound.samples.is_empty(), "a recording without samples");
                let values = sound.samples.iter().map(|&sample| scale.apply(sample)).collect();
                Sequences::Values { values, features: 1 }
            }
            (Form::Text { read, .. }, Content::Text(text)) => {
                let mut sequences = read(text)?;
                ensure!(!sequences.is_empty(), "a text without a sequence");
                sequences.swap_remove(0)
            }
            (Form::Expressions, Content::Expression(expression)) => {
                sequence(expression.tokens().into_iter().chain([END]))
            }
            (Form::Series, Content::Series(series)) => match original {
                Sequences::Bytes(_) => {
                    let bytes = series.values.iter().map(|value| (value * 255.0) as u8);
                    Sequences::Bytes(bytes.collect())
                }
                _ => Sequences::Values { values: series.values.clone(), features: series.features },
            },
            _ => bail!("content that is none of {}", self.kind),
        };
        let others = example.sequences[1..].iter().cloned();
        Ok([first].into_iter().chain(others).collect())
    }
}

/// Values in [0, 1], and colours of a pixel.
fn levels(of: &Sequences, moments: &[Moments]) -> Result<(Vec<f32>, usize)> {
    Ok(match of {
        Sequences::Bytes(bytes) => (bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect(), 1),
        Sequences::Values { values, features } => {
            ensure!(moments.len() == *features, "pixels of {features} colours without moments");
            let each = values.iter().zip(moments.iter().cycle());
            let values = each.map(|(&value, Moments { mean, std })| {
                ((f64::from(value) * std + mean) as f32).clamp(0.0, 1.0)
            });
            (values.collect(), *features)
        }
        Sequences::Tokens(_) => bail!("tokens, which are no pixels"),
    })
}

/// Bytes as the model gets them.
fn standardised(bytes: Vec<u8>, moments: &[Moments]) -> Sequences {
    if moments.is_empty() {
        return Sequences::Bytes(bytes);
    }
    let each = bytes.iter().zip(moments.iter().cycle());
    let values =
        each.map(|(&byte, Moments { mean, std })| ((f64::from(byte) / 255.0 - mean) / std) as f32);
    Sequences::Values { values: values.collect(), features: moments.len() }
}
