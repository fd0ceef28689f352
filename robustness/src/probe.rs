//! What a model of codes does that no likelihood says: how it goes on after damage, and on its own.

use std::f64::consts::LN_2;

use anyhow::{Result, bail};
use dsp::runaway::Monitor;
use generation::sampling::Sampling;
use generation::{self, Generator, stream};
use program::exit::interrupted;
use program::interrupt;
use report::interval::Interval;
use s4_core::layer::{Pass, State};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};
use training::objective::Objective;
use transformations::content::Content;
use transformations::{Severity, seed};

use crate::results::{Estimate, Sample};
use crate::subject::{Codes, Item};

/// One finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// What was done.
    pub name: String,
    /// How strongly.
    pub strength: String,
    /// What the figure is.
    pub figure: String,
    /// The figure.
    pub estimate: Estimate,
    /// Of how many sounds.
    pub count: usize,
    /// What else is to be said.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub note: String,
}

/// Which of them are made, and how often.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Probes {
    /// Recordings of which a first half is damaged, or the state in their middle; 0: none.
    pub recordings: usize,
    /// Transformations of the first half, at severities 1, 3 and 5.
    pub damage: Vec<String>,
    /// Deviations of the noise in the state, of each part's own.
    pub state_noise: Vec<f64>,
    /// Sounds that are generated; 0: none.
    pub generated: usize,
    /// How much longer than the sequences in training they are.
    pub times: f64,
}

impl Default for Probes {
    fn default() -> Self {
        Self {
            recordings: 16,
            damage: ["white-noise", "clipping", "dropped-spans", "quieter"]
                .map(str::to_owned)
                .to_vec(),
            state_noise: vec![0.1, 0.5, 1.0],
            generated: 8,
            times: 10.0,
        }
    }
}

/// Samples whose mean must be as without noise for a model to have recovered.
const WINDOW: usize = 64;
/// How far from it that is, bits.
const CLOSE: f64 = 0.05;

impl Probes {
    /// Makes them, of these recordings.
    ///
    /// # Errors
    /// If the user interrupts, a transformation is not there, or the model fails.
    pub fn make(&self, codes: &Codes, items: &[Item], seed: u64) -> Result<Vec<Probe>> {
        let mut found = Vec::new();
        let items: Vec<Item> = items.iter().take(self.recordings).cloned().collect();
        if !items.is_empty() {
            let clean = continuation(codes, &items, &items)?;
            for name in &self.damage {
                for severity in [1, 3, 5] {
                    found.extend(damaged(
                        codes,
                        &items,
                        &clean,
                        name,
                        Severity::new(severity)?,
                        seed,
                    )?);
                }
            }
            for &deviations in &self.state_noise {
                found.push(noisy_state(codes, &items, deviations, seed)?);
            }
        }
        if self.generated > 0 {
            found.push(runaway(codes, self.generated, self.times, seed)?);
        }
        Ok(found)
    }
}

fn estimate(values: &[f64]) -> Estimate {
    Sample { values, clusters: None }.bootstrapped()
}

/// Bits a sample of the second half of each of `items`, after the first half of the same of `before`.
fn continuation(codes: &Codes, items: &[Item], before: &[Item]) -> Result<Vec<f64>> {
    let mut bits = Vec::new();
    for (item, before) in items.iter().zip(before) {
        interrupt::check()?;
        let (Content::Sound(clean), Content::Sound(before)) = (&item.content, &before.content)
        else {
            bail!("what is probed is no sound");
        };
        let half = clean.samples.len() / 2;
        let (first, second) =
            (&before.samples[..half.min(before.samples.len())], &clean.samples[half..]);
        let whole: Vec<f32> = first.iter().chain(second).copied().collect();
        let [whole, first] = [whole, first.to_vec()].map(|samples| codes.nats(&samples));
        bits.push((whole? - first?) / LN_2 / second.len() as f64);
    }
    Ok(bits)
}

fn damaged(
    codes: &Codes,
    items: &[Item],
    clean: &[f64],
    name: &str,
    severity: Severity,
    seed: u64,
) -> Result<Option<Probe>> {
    let transformation = transformations::find(name)?;
    let (mut pairs, mut before, mut base) = (Vec::new(), Vec::new(), Vec::new());
    for (item, &clean) in items.iter().zip(clean) {
        let mut random = seed::random(seed, name, severity, item.index);
        let changed = transformation.apply(&item.content, &item.label, severity, &mut random, &[]);
        if let Ok(changed) = changed {
            before.push(Item { content: changed.content, ..item.clone() });
            pairs.push(item.clone());
            base.push(clean);
        }
    }
    if pairs.is_empty() {
        return Ok(None);
    }
    let after = continuation(codes, &pairs, &before)?;
    let lost: Vec<f64> = after.iter().zip(&base).map(|(after, clean)| after - clean).collect();
    let left_out = items.len() - pairs.len();
    Ok(Some(Probe {
        name: format!("prefix: {name}"),
        strength: transformation.strength(severity),
        figure: "bits a sample lost in the clean continuation".to_owned(),
        estimate: estimate(&lost),
        count: lost.len(),
        note: if left_out > 0 { format!("{left_out} could not be damaged") } else { String::new() },
    }))
}

/// Samples until the predictions are those without noise again.
fn noisy_state(codes: &Codes, items: &[Item], deviations: f64, seed: u64) -> Result<Probe> {
    let _guard = tch::no_grad_guard();
    let (mut steps, mut never) = (Vec::new(), 0);
    for item in items {
        interrupt::check()?;
        let Content::Sound(sound) = &item.content else { bail!("what is probed is no sound") };
        let (first, second) = sound.samples.split_at(sound.samples.len() / 2);
        let model = codes.model().model();
        let stride = model.stride() as usize;
        let first = &first[..first.len() / stride * stride];
        let second = &second[..second.len() / stride * stride];
        if first.is_empty() || second.len() < 2 * WINDOW {
            continue;
        }
        let tokens = |samples| codes.encode(samples).into_iter().map(i64::from).collect::<Vec<_>>();
        let (first, second) = (tokens(first), tokens(second));
        let batch = |codes: &[i64]| Tensor::from_slice(codes).unsqueeze(0);
        let begin = model.default_state(1)?;
        let (_, state) = model.forward_with_state(&batch(&first), &begin, &Pass::eval())?;
        let noisy = with_noise(&state, deviations, seed ^ item.index as u64);
        let of = |state: &State| -> Result<Vec<f64>> {
            let (scores, _) = model.forward_with_state(&batch(&second), state, &Pass::eval())?;
            let targets = batch(&second[1..]).view([-1]);
            let scores = scores.squeeze_dim(0).narrow(0, 0, second.len() as i64 - 1);
            let loss = scores.f_cross_entropy_loss::<Tensor>(
                &targets,
                None,
                tch::Reduction::None,
                -100,
                0.0,
            )?;
            Ok(Vec::<f64>::try_from(loss.to_kind(Kind::Double).to_device(Device::Cpu) / LN_2)?)
        };
        let (clean, noisy) = (of(&state)?, of(&noisy)?);
        let apart: Vec<f64> = noisy.iter().zip(&clean).map(|(a, b)| (a - b).abs()).collect();
        let is_close = |window: &[f64]| window.iter().sum::<f64>() / WINDOW as f64 <= CLOSE;
        let last_apart = apart.windows(WINDOW).rposition(|window| !is_close(window));
        let recovered = last_apart.map_or(0, |place| place + 1);
        never += usize::from(recovered + WINDOW > apart.len());
        steps.push(recovered as f64);
    }
    if steps.is_empty() {
        bail!("no recording is long enough to probe the state");
    }
    let note = match never {
        0 => String::new(),
        _ => format!("{never} had not recovered at the end, and count with all samples"),
    };
    Ok(Probe {
        name: "noise in the state".to_owned(),
        strength: format!("{deviations} deviations"),
        figure: format!("samples until the loss is within {CLOSE} bits"),
        estimate: estimate(&steps),
        count: steps.len(),
        note,
    })
}

/// The state with normal noise in each of its parts, in units of the part's deviation.
fn with_noise(state: &State, deviations: f64, seed: u64) -> State {
    use rand_distr::{Distribution, StandardNormal};
    let mut random = seed::generator("state noise", &[seed]);
    let noisy = |part: &Tensor| {
        if !part.is_floating_point() {
            return part.shallow_clone();
        }
        let noise: Vec<f64> =
            (0..part.numel()).map(|_| StandardNormal.sample(&mut random)).collect();
        let noise = Tensor::from_slice(&noise).view_as(part).to_kind(part.kind());
        let deviation = if part.numel() > 1 { part.std(true) } else { part.abs() };
        part + noise.to_device(part.device()) * deviation * deviations
    };
    state.iter().map(noisy).collect()
}

/// Sounds, `times` as long as in training, that run away: grow, clip, fall silent or stay.
fn runaway(codes: &Codes, count: usize, times: f64, seed: u64) -> Result<Probe> {
    let experiment = codes.experiment();
    let (model, quantiser) = (codes.model(), experiment.data.quantiser()?);
    let engine = stream::model(experiment, &experiment.model, model.params()).unwrap_or(None);
    let start =
        generation::after(model.model(), engine.as_ref(), &[quantiser.zero().into()], count)?;
    let mut generator = Generator::new(start, Sampling::default(), seed, 0..count as u64)?;
    let rate = experiment.data.sample_rate()?;
    let mut monitors: Vec<Monitor> = (0..count).map(|_| Monitor::new(rate)).collect();
    let samples = (times * experiment.data.length as f64).ceil() as usize;
    for _ in 0..samples {
        if interrupt::requested() {
            return Err(interrupted());
        }
        for (monitor, code) in monitors.iter_mut().zip(generator.next_codes()?) {
            monitor.push(&[quantiser.decode(code as u16)]);
        }
    }
    let warnings: Vec<_> = monitors.iter().map(Monitor::warnings).collect();
    let ran = warnings.iter().filter(|them| !them.is_empty()).count();
    let first = warnings.iter().flatten().next().map(|it| format!("such as: {it}"));
    Ok(Probe {
        name: "runaway".to_owned(),
        strength: format!("{times} times the length in training"),
        figure: "share of generated sounds that run away".to_owned(),
        estimate: Estimate {
            value: ran as f64 / count as f64,
            interval: Interval::wilson(ran, count),
        },
        count,
        note: first.unwrap_or_default(),
    })
}
