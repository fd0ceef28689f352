//! From a model's input to what it is to people, and back.

use std::ops::Range;

use anyhow::{Context, Result, bail, ensure};
use datasets::batch::{Example, Sequences};
use datasets::examples::images::Moments;
use datasets::examples::recordings::{self, Extent};
use datasets::examples::tokens::{END, sequence};
use datasets::inputs::{Inputs, ReadLine};
use datasets::medium::{Medium, Pictures, Spell};
use datasets::shape::{Past, Target};

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
    Pictures(Pictures),
    Sound {
        rate: u32,
        form: recordings::Form,
    },
    Text {
        spell: Spell,
        read: ReadLine,
    },
    Expressions,
    /// Of a forecast what is known.
    Series(Option<Past>),
}

impl Codec {
    /// The codec of data that is this to people, of which `target` is asked. `inputs` are how texts from
    /// elsewhere are read for it.
    ///
    /// # Errors
    /// If it is text, and there is no way to read any.
    pub fn new(medium: &Medium, target: &Target, inputs: Option<Inputs>) -> Result<Self> {
        let form = match medium.clone() {
            Medium::Pictures(pictures) => Form::Pictures(pictures),
            Medium::Sound { rate, scale, view } => {
                let extent = Extent::AtMost(usize::MAX);
                let form = recordings::Form { extent, every: 1, standardisation: scale, view };
                Form::Sound { rate, form }
            }
            Medium::Text(spell) => {
                let read = inputs.and_then(|inputs| inputs.line);
                let read = read.context("changed texts cannot be read as this data is")?;
                Form::Text { spell, read }
            }
            Medium::Expressions => Form::Expressions,
            Medium::Series => Form::Series(match target {
                Target::Series(series) => series.past,
                _ => None,
            }),
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
            Form::Pictures(Pictures { moments, .. }) if !moments.is_empty() => Units {
                mean: moments.iter().map(|it| it.mean).collect(),
                std: moments.iter().map(|it| it.std).collect(),
                range: 0.0..1.0,
            },
            Form::Sound { form, .. } => {
                let scale = form.standardisation;
                let (zero, one) = (f64::from(scale.undo(0.0)), f64::from(scale.undo(1.0)));
                Units { mean: vec![zero], std: vec![one - zero], range: -1.0..1.0 }
            }
            _ if matches!(of, Sequences::Bytes(_)) => plain(0.0..1.0),
            _ => plain(f64::NEG_INFINITY..f64::INFINITY),
        }
    }

    /// Whether contents of another length are inputs, too.
    pub fn takes_any_length(&self) -> bool {
        !matches!(self.form, Form::Pictures(_) | Form::Series(Some(_)))
    }

    /// An example as it is to people ([`Examples::source`]); of a pair, the first of the two; of a
    /// forecast what is known; of tokens that are asked for one by one all but the first, which is given.
    ///
    /// [`Examples::source`]: datasets::split::Examples::source
    ///
    /// # Errors
    /// If it is not of this data.
    pub fn decode(&self, example: &Example) -> Result<Content> {
        let of = example.sequences.first().context("an example without a sequence")?;
        Ok(match (&self.form, of) {
            (Form::Pictures(Pictures { width, colours, order, moments, .. }), _) => {
                let (values, colours) = (levels(of, example.given(), moments)?, *colours);
                let mut picture = vec![0.0; values.len()];
                for (position, pixel) in values.chunks(colours).enumerate() {
                    let place = order.as_ref().map_or(position, |order| order[position]);
                    picture[place * colours..][..colours].copy_from_slice(pixel);
                }
                Picture { width: *width, colours, values: picture }.into()
            }
            (Form::Sound { rate, form }, Sequences::Values { values, features: 1 }) => {
                let samples =
                    values.iter().map(|&value| form.standardisation.undo(value)).collect();
                Sound { rate: *rate, samples }.into()
            }
            (Form::Text { spell, .. }, Sequences::Tokens(tokens)) => {
                spell(&tokens[example.given()..]).into()
            }
            (Form::Expressions, Sequences::Tokens(tokens)) => {
                let tokens = tokens.iter().map(|&token| token as u8);
                let tokens: Vec<u8> = tokens.take_while(|&token| token != END).collect();
                Expression::of(&tokens)?.into()
            }
            (Form::Series(Some(past)), Sequences::Values { values, features }) => {
                let known = values.chunks(*features).take(past.context);
                let values = known.flat_map(|step| &step[..past.channels]).copied().collect();
                Series { values, features: past.channels }.into()
            }
            (Form::Series(None), Sequences::Values { values, features }) => {
                Series { values: values.clone(), features: *features }.into()
            }
            (Form::Series(_), Sequences::Bytes(bytes)) => {
                let values = bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect();
                Series { values, features: 1 }.into()
            }
            _ => bail!("an example that is none of {}", self.kind),
        })
    }

    /// `example` with `content` in the place of what [`Self::decode`] takes from it, as the model gets it.
    ///
    /// # Errors
    /// If that cannot be an input of the model.
    pub fn encode(&self, content: &Content, example: &Example) -> Result<Vec<Sequences>> {
        let original = example.sequences.first().context("an example without a sequence")?;
        let first = match (&self.form, content) {
            (Form::Pictures(Pictures { order, moments, .. }), Content::Picture(picture)) => {
                let (bytes, colours) = (picture.bytes(), picture.colours);
                let positions = match original {
                    Sequences::Tokens(tokens) => (tokens.len() - example.given()) / colours,
                    _ => original.len(),
                };
                ensure!(
                    bytes.len() == positions * colours,
                    "a picture of {} pixels, expected {positions}",
                    bytes.len() / colours
                );
                let place = |position| order.as_ref().map_or(position, |order| order[position]);
                let bytes: Vec<u8> = (0..positions)
                    .flat_map(|position| &bytes[place(position) * colours..][..colours])
                    .copied()
                    .collect();
                match original {
                    Sequences::Tokens(tokens) => {
                        let given = tokens[..example.given()].iter().copied();
                        Sequences::Tokens(given.chain(bytes.into_iter().map(i64::from)).collect())
                    }
                    _ => standardised(bytes, moments),
                }
            }
            (Form::Sound { form, .. }, Content::Sound(sound)) => {
                ensure!(!sound.samples.is_empty(), "a recording without samples");
                form.sequence(&sound.samples)?
            }
            (Form::Text { spell, read }, Content::Text(text)) => {
                match (original, example.given()) {
                    // A window may begin or end within a letter, which is then no text.
                    (Sequences::Tokens(tokens), 1..) if spell(&tokens[1..]) == *text => {
                        original.clone()
                    }
                    (original, given) => reread(read(text)?, original, given)?,
                }
            }
            (Form::Expressions, Content::Expression(expression)) => {
                sequence(expression.tokens().into_iter().chain([END]))
            }
            (
                Form::Series(Some(past)),
                Content::Series(Series { values: known, features: channels }),
            ) => {
                let Sequences::Values { values, features } = original else {
                    bail!("a window of no values");
                };
                ensure!(
                    *channels == past.channels && known.len() == past.context * channels,
                    "{} known steps, expected {}: the model was trained on windows of one length",
                    known.len() / channels.max(&1),
                    past.context
                );
                let mut values = values.clone();
                for (step, known) in values.chunks_mut(*features).zip(known.chunks(*channels)) {
                    step[..*channels].copy_from_slice(known);
                }
                Sequences::Values { values, features: *features }
            }
            (Form::Series(None), Content::Series(series)) => match original {
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

/// What was read of a text, after the `given` tokens of the original.
fn reread(sequences: Vec<Sequences>, original: &Sequences, given: usize) -> Result<Sequences> {
    let mut read = sequences.into_iter().next().context("a text without a sequence")?;
    if let (Sequences::Tokens(read), Sequences::Tokens(original)) = (&mut read, original) {
        ensure!(read.len() > given, "a text without a token");
        read[..given].copy_from_slice(&original[..given]);
    }
    Ok(read)
}

/// Values in [0, 1] of all pixels, after `given` tokens.
fn levels(of: &Sequences, given: usize, moments: &[Moments]) -> Result<Vec<f32>> {
    Ok(match of {
        Sequences::Bytes(bytes) => bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect(),
        Sequences::Values { values, features } => {
            ensure!(moments.len() == *features, "pixels of {features} colours without moments");
            let each = values.iter().zip(moments.iter().cycle());
            let values = each.map(|(&value, Moments { mean, std })| {
                ((f64::from(value) * std + mean) as f32).clamp(0.0, 1.0)
            });
            values.collect()
        }
        Sequences::Tokens(tokens) => {
            tokens[given..].iter().map(|&token| token as f32 / 255.0).collect()
        }
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
